"""What the losses of the demo CLIP's training mean."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.demo_world.clip.losses import (
    QUESTION_WEIGHTS,
    also_true,
    answers,
    contrastive_loss,
    encode_texts,
    project,
    question_loss,
    residual_streams,
    training_loss,
)
from clipheads.demo_world.world.captions import Caption, attribute_texts, scene_facts
from clipheads.demo_world.world.scenes import sample_scene
from clipheads.demo_world.world.sprites import default_sprites
from clipheads.model.open_clip_import import import_open_clip

TEXTS = attribute_texts(default_sprites())
RIGHT = {"shape": torch.eye(2).repeat(4, 1), "size": torch.eye(3).repeat(3, 1)[:8]}


def tiny_clip() -> torch.nn.Module:
    torch.manual_seed(0)
    open_clip = import_open_clip()
    clip: torch.nn.Module = open_clip.CLIP(
        embed_dim=16,
        vision_cfg=open_clip.CLIPVisionCfg(
            image_size=64, patch_size=32, width=32, layers=4, head_width=16
        ),
        text_cfg=open_clip.CLIPTextCfg(
            context_length=24, vocab_size=49408, width=16, heads=1, layers=1
        ),
    )
    return clip.eval()


def tokens(rows: int) -> Tensor:
    """Different texts of six tokens, the last one the end token, then padding."""
    some = torch.zeros(rows, 24, dtype=torch.long)
    some[:, :5] = torch.arange(1, 6) + torch.arange(rows)[:, None] * 7
    some[:, 5] = 49407
    return some


def unit(rows: int, seed: int) -> Tensor:
    return normalize(torch.randn(rows, 16, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_a_caption_is_no_negative_of_another_scene_that_it_is_true_of() -> None:
    scenes = [sample_scene(seed) for seed in range(12)]
    captions = [
        Caption("said of any", frozenset()),
        Caption("of its own only", scene_facts(scenes[1])),
        *(Caption("a style", frozenset({("style", scene.style)})) for scene in scenes[2:]),
    ]

    spared = also_true(scenes, captions)

    assert spared[:, 0].tolist() == [False] + [True] * 11
    assert not spared[:, 1].any()
    for column, own in enumerate(scenes[2:], start=2):
        for row, other in enumerate(scenes):
            assert spared[row, column] == (row != column and other.style == own.style)


def test_the_contrastive_loss_does_not_see_the_pairs_that_it_is_told_to_spare() -> None:
    images, texts = unit(8, 0), unit(8, 1)
    all_others = ~torch.eye(8, dtype=torch.bool)

    assert contrastive_loss(images, texts, torch.tensor(5.0), all_others).item() == 0
    assert contrastive_loss(images, texts, torch.tensor(5.0), ~all_others & all_others) > 0


def test_without_knowledge_every_loss_is_that_of_guessing() -> None:
    images = unit(8, 0)
    nothing = torch.tensor(0.0)  # the inverse temperature at which all texts are alike

    assert contrastive_loss(
        images, unit(8, 1), nothing, torch.zeros(8, 8).bool()
    ).item() == pytest.approx(math.log(8))
    # Two questions of two and three answers, each with the common weight of a half.
    assert question_loss(images, unit(5, 2), nothing, RIGHT).item() == pytest.approx(
        0.5 * math.log(2) + 0.5 * math.log(3)
    )


def test_a_picture_that_is_its_answer_has_no_question_loss() -> None:
    answers_of_shape = normalize(torch.eye(16)[:2], dim=1)
    images = answers_of_shape.repeat(4, 1)
    shape_only = {"shape": RIGHT["shape"]}

    right = question_loss(images, answers_of_shape, torch.tensor(50.0), shape_only)
    wrong = question_loss(images, answers_of_shape.flip(0), torch.tensor(50.0), shape_only)

    assert right.item() == pytest.approx(0, abs=1e-6)
    assert wrong.item() == pytest.approx(0.5 * 50)


def test_pictures_without_the_attribute_do_not_count_and_objects_count_more() -> None:
    images, texts, scale = unit(8, 0), unit(2, 1), torch.tensor(3.0)
    half = RIGHT["shape"].clone()
    half[4:] = 0

    few = question_loss(images, texts, scale, {"shape": half})
    same = question_loss(images[:4], texts, scale, {"shape": RIGHT["shape"][:4]})
    objects = question_loss(images, texts, scale, {"object": half})

    assert few.item() == pytest.approx(same.item())
    assert objects.item() == pytest.approx(few.item() * QUESTION_WEIGHTS["object"] / 0.5)


def test_answers_are_the_facts_of_the_scenes_and_two_objects_share_the_answer() -> None:
    scenes = [sample_scene(seed) for seed in range(200)]
    right = answers(scenes, TEXTS)

    for row, scene in enumerate(scenes):
        facts = {
            (attribute, value)
            for attribute, shares in right.items()
            for value, share in zip(TEXTS[attribute], shares[row].tolist(), strict=True)
            if share > 0
        }
        assert facts == scene_facts(scene)
    two = next(row for row, scene in enumerate(scenes) if len(scene.objects) == 2)
    assert sorted(right["object"][two].tolist())[-2:] == [0.5, 0.5]


def test_texts_are_encoded_as_open_clip_does_whatever_padding_is_cut() -> None:
    clip = tiny_clip()
    with torch.no_grad():
        theirs = normalize(clip.encode_text(tokens(6)), dim=1)  # type: ignore[operator]
        ours = encode_texts(clip, tokens(6))

    assert torch.allclose(ours, theirs, atol=1e-6)


def test_images_are_projected_as_open_clip_does() -> None:
    clip = tiny_clip()
    pixels = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        theirs = normalize(clip.encode_image(pixels), dim=1)  # type: ignore[operator]
        ours = project(clip.visual, residual_streams(clip.visual, pixels)[0])

    assert torch.allclose(ours, theirs, atol=1e-5)


def test_the_mean_ablated_form_reaches_the_heads_but_not_the_last_mlp() -> None:
    clip = tiny_clip()
    _, heads = residual_streams(clip.visual, torch.randn(8, 3, 64, 64))
    last = clip.visual.transformer.resblocks[-1]  # type: ignore[union-attr, index]

    (gradient,) = torch.autograd.grad(
        heads.square().sum(), last.attn.out_proj.weight, retain_graph=True
    )
    assert gradient.abs().max() > 0
    with pytest.raises(RuntimeError, match=r"not have been used"):
        torch.autograd.grad(heads.sum(), last.mlp.c_proj.weight, retain_graph=True)


def test_a_step_along_the_gradient_lowers_the_whole_loss() -> None:
    clip = tiny_clip()
    pixels = torch.randn(8, 3, 64, 64)
    free = torch.zeros(8, 8).bool()
    optimizer = torch.optim.SGD(clip.parameters(), lr=1e-3)
    losses = []
    for _ in range(5):
        loss = training_loss(clip, pixels, tokens(8), free, tokens(5), RIGHT)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    assert losses == sorted(losses, reverse=True)
