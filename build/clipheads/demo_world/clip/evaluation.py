"""Zero-shot accuracy of a demo CLIP on held-out scenes."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from clipheads.demo_world.clip.losses import Clip, answers, encode_texts, project, residual_streams
from clipheads.demo_world.world.captions import attribute_texts
from clipheads.demo_world.world.scenes import Scene, draw_scene, sample_scene
from clipheads.demo_world.world.sprites import default_sprites

FIRST_EVALUATION_SEED = 500_000
SCENES = 4000
BATCH_SIZE = 160


@torch.inference_mode()
def evaluate(
    clip: Clip,
    tokenizer: Callable[[list[str]], Tensor],
    mean: list[float],
    std: list[float],
    scenes: int | None = None,
) -> dict[str, float]:
    """Measure zero-shot classification of each attribute, on all scenes to which it applies.

    Of two different objects in a scene either is a right answer.

    Args:
        clip: the model.
        tokenizer: from texts to [n, context].
        mean: of the pixels' channels, which the model's preprocessing subtracts.
        std: by which it divides them.
        scenes: how many; 4,000 by default.

    Returns:
        Accuracy in 0…1 by attribute, "object top-5", and each attribute with ", heads alone" for
        the embedding in which all but the last four layers' heads is replaced by its mean.
    """
    device = next(clip.parameters()).device
    chosen = [sample_scene(FIRST_EVALUATION_SEED + i) for i in range(scenes or SCENES)]
    whole, ablated = _embed(clip, chosen, mean, std)
    texts = attribute_texts(default_sprites())
    results = {}
    for attribute, right in answers(chosen, texts).items():
        choices = encode_texts(clip, tokenizer(list(texts[attribute].values())).to(device)).cpu()
        applies = right.sum(dim=1) > 0
        is_true = right[applies] > 0
        for variant, images in (("", whole), (", heads alone", ablated)):
            ranked = (images[applies] @ choices.T).argsort(dim=1, descending=True)
            hits = is_true.gather(1, ranked)
            results[attribute + variant] = hits[:, 0].float().mean().item()
            if attribute == "object" and not variant:
                results["object top-5"] = hits[:, :5].any(dim=1).float().mean().item()
    return results


def _embed(
    clip: Clip, scenes: list[Scene], mean: list[float], std: list[float]
) -> tuple[Tensor, Tensor]:
    """Unit embeddings of scenes, whole and mean-ablated, [n, D] each, on the CPU."""
    device = next(clip.parameters()).device
    side = clip.visual.image_size[0]
    streams = []
    for start in range(0, len(scenes), BATCH_SIZE):
        drawn = [draw_scene(scene, side)[0] for scene in scenes[start : start + BATCH_SIZE]]
        pixels = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float() / 255
        pixels = (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
        streams.append(residual_streams(clip.visual, pixels.to(device)))
    whole, heads_alone = (torch.cat(parts) for parts in zip(*streams, strict=True))
    rest = (whole - heads_alone).mean(dim=0, keepdim=True)
    return (
        project(clip.visual, whole).cpu(),
        project(clip.visual, rest + heads_alone).cpu(),
    )
