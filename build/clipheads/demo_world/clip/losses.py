"""The losses of the demo CLIP: contrastive, zero-shot, and both again under mean ablation.

Three things go beyond CLIP's contrastive loss of pictures and captions.

- False negatives are left out: captions that are true of another picture of the batch as well.
- Zero-shot classification is trained directly: of all texts about an attribute, the picture must be
  closest to the true one.
- Both losses are taken twice, of the embedding and of its mean-ablated form, in which all terms but
  the heads of the last four layers are replaced by their means over the batch. Real CLIPs lose
  almost nothing by that (Gandelsman et al., 2024, section 3.3); a small model trained without it
  keeps its objects in the MLPs, and its heads are not worth an atlas.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax, normalize

from clipheads.demo_world.world.captions import Caption, scene_facts
from clipheads.demo_world.world.scenes import Scene
from clipheads.model.text import encode_text
from clipheads.model.tower import run_tower
from clipheads.model.vision_transformer import tower_of

Clip = Any
"""An open_clip module or its vision tower; open_clip carries no types."""

SPECIALISED_LAYERS = 4
"""The last layers, whose heads must give the right answers alone, too."""

QUESTION_WEIGHTS = {"object": 2.0}
"""Weights of the zero-shot losses, 0.5 by default: objects are by far the hardest."""


def also_true(scenes: list[Scene], captions: list[Caption]) -> Tensor:
    """The false negatives of a batch, [B, B] of bool: captions true of scenes of other captions.

    "An ordinary picture" is true of half of all scenes; to push it away from all but its own would
    leave the text close to none of them.
    """
    facts = [scene_facts(scene) for scene in scenes]
    is_true = torch.tensor([[text.claims <= shown for text in captions] for shown in facts])
    return is_true & ~torch.eye(len(scenes), dtype=torch.bool)


def answers(scenes: list[Scene], texts: dict[str, dict[str, str]]) -> dict[str, Tensor]:
    """The right answers to the zero-shot question about each attribute, as targets.

    Returns:
        For each attribute [B, values]. Rows sum to 1, with halves where a scene shows two different
        objects, or are 0 where the attribute does not apply.
    """
    right = {}
    for attribute, choices in texts.items():
        index_of = {value: index for index, value in enumerate(choices)}
        shares = torch.zeros(len(scenes), len(choices))
        for row, scene in enumerate(scenes):
            for fact, value in scene_facts(scene):
                if fact == attribute:
                    shares[row, index_of[value]] = 1
        right[attribute] = shares / shares.sum(dim=1, keepdim=True).clamp(min=1)
    return right


def contrastive_loss(
    images: Tensor, texts: Tensor, scale: Tensor, false_negatives: Tensor
) -> Tensor:
    """CLIP's symmetric cross-entropy of pictures and captions, without the false negatives.

    Args:
        images: [B, D] unit rows.
        texts: [B, D] unit rows, in the order of the images.
        scale: the inverse temperature.
        false_negatives: [B, B] of bool, of `also_true`.

    Returns:
        Scalar.
    """
    own = torch.arange(len(images), device=images.device)
    logits = (scale * images @ texts.T).masked_fill(false_negatives, -math.inf)
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2


def question_loss(images: Tensor, texts: Tensor, scale: Tensor, right: dict[str, Tensor]) -> Tensor:
    """Weighted sum over the attributes of the cross-entropy of their zero-shot question.

    Args:
        images: [B, D] unit rows.
        texts: [values of all attributes, D] unit rows, attribute after attribute.
        scale: the inverse temperature.
        right: of `answers`.

    Returns:
        Scalar; pictures in which an attribute does not apply do not count for it.
    """
    sizes = [shares.shape[1] for shares in right.values()]
    all_logits = torch.split(scale * images @ texts.T, sizes, dim=1)
    total = torch.zeros((), device=images.device)
    for (attribute, shares), logits in zip(right.items(), all_logits, strict=True):
        entropy = -(shares * log_softmax(logits, dim=1)).sum()
        weight = QUESTION_WEIGHTS.get(attribute, 0.5)
        total = total + weight * entropy / shares.sum().clamp(min=1)
    return total


def training_loss(
    clip: Clip,
    pixels: Tensor,
    captions: Tensor,
    false_negatives: Tensor,
    questions: Tensor,
    right: dict[str, Tensor],
) -> Tensor:
    """Both losses of the embedding and of its mean-ablated form, averaged over the two.

    Args:
        clip: the model in training.
        pixels: [B, 3, side, side], normalised.
        captions: [B, context] tokens.
        false_negatives: [B, B] of bool, of `also_true`.
        questions: [values of all attributes, context] tokens.
        right: of `answers`.

    Returns:
        Scalar.
    """
    whole, heads_alone = residual_streams(clip.visual, pixels)
    rest = (whole - heads_alone).mean(dim=0, keepdim=True)
    texts, choices = encode_texts(clip, captions), encode_texts(clip, questions)
    scale = clip.logit_scale.exp()
    losses = []
    for residual in (whole, rest + heads_alone):
        images = project(clip.visual, residual)
        losses.append(contrastive_loss(images, texts, scale, false_negatives))
        losses.append(question_loss(images, choices, scale, right))
    return torch.stack(losses).sum() / 2


def encode_texts(clip: Clip, tokens: Tensor) -> Tensor:
    """Unit embeddings of texts, [n, context] to [n, D]."""
    return normalize(encode_text(clip, tokens).float(), dim=-1)


def residual_streams(visual: Clip, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """The class token before `ln_post`, and what the specialised heads added to it.

    Returns:
        Two times [B, width] in float32.
    """
    token = run_tower(tower_of(visual), pixels)
    heads_alone = torch.stack(token.attentions[-SPECIALISED_LAYERS:]).sum(dim=0)
    return token.residual.float(), heads_alone.float()


def project(visual: Clip, residual: Tensor) -> Tensor:
    """Unit embeddings of residual streams, [B, width] to [B, D]."""
    return normalize((visual.ln_post(residual) @ visual.proj).float(), dim=-1)
