"""Whether heat maps find the named object: zero-shot segmentation, scored by the true masks."""

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipheads.bundle.ground_truth import MapTruth
from clipheads.bundle.names import head_id
from clipheads.demo_world.truth.observed_scenes import BATCH_SIZE, pixels_of
from clipheads.demo_world.world.captions import object_text
from clipheads.demo_world.world.scenes import Scene, object_mask, sample_scene
from clipheads.maths.attention import class_token_attention
from clipheads.maths.decomposition import decompose_patches
from clipheads.maths.heat_maps import topic_map
from clipheads.model.clip_model import ClipModel
from clipheads.model.text import embed_texts
from clipheads.truth.map_scores import average_precision, centre_prior, enlarge, score_map

ALL_HEADS, ATTENTION, CENTRE = "all", "attention", "centre"

MAPPED_SCENES = 120
CHOOSING_SCENES = 40
"""Other scenes, on which the best heads are chosen."""

FIRST_CHOOSING_SEED = 800_000
FIRST_MAPPED_SEED = 850_000
CANDIDATES = 1500
"""So many seeds from there on hold enough scenes of either kind."""

BEST_HEADS = 3

Grids = dict[str, NDArray[np.float32]]
"""The maps of one scene, [rows, columns] each: by head, of all heads, and of raw attention."""

Mask = NDArray[np.bool_]
"""The pixels of the object to be found, [side, side]."""


def map_truths(
    model: ClipModel, basis: Tensor, objects: int, advance: Callable[[int], None]
) -> list[MapTruth]:
    """Score the maps of all heads together and of the best ones, beside two baselines.

    The baselines know no text: raw attention, and a prior for the centre.

    Args:
        model: whose heads draw.
        basis: [heads, D, r] of all heads.
        objects: 1 for topics, the object's name on scenes of one object; 2 for contrasts, the
            first name minus the second on scenes of two, where the first is to be found.
        advance: receives the number of scenes.
    """
    shape = model.architecture
    heads = [(layer, head) for layer in range(shape.layers) for head in range(shape.heads)]

    def draw(first_seed: int, count: int) -> list[tuple[Grids, Mask]]:
        scenes = [sample_scene(seed) for seed in range(first_seed, first_seed + CANDIDATES)]
        scenes = [scene for scene in scenes if len(scene.objects) == objects][:count]
        return list(_maps(model, basis, heads, scenes, advance))

    best = _best_heads(
        draw(FIRST_CHOOSING_SEED, CHOOSING_SCENES), [head_id(*head) for head in heads]
    )
    drawers = {"all heads together": ALL_HEADS}
    drawers |= {
        f"{head} alone, {rank} on other scenes": head
        for head, rank in zip(best, ("best", "second", "third"), strict=True)
    }
    drawers |= {
        "raw attention of the class token in the last layer": ATTENTION,
        "centre-prior baseline": CENTRE,
    }
    maps = draw(FIRST_MAPPED_SEED, MAPPED_SCENES)
    kind: Literal["topic", "contrast"] = "topic" if objects == 1 else "contrast"
    return [_score(kind, name, drawer, maps) for name, drawer in drawers.items()]


def _best_heads(maps: Sequence[tuple[Grids, Mask]], heads: Sequence[str]) -> list[str]:
    """The heads whose maps have the highest mean average precision, the best first."""
    precision = {
        head: fmean(
            average_precision(enlarge(grids[head], len(mask)).ravel(), mask.ravel())
            for grids, mask in maps
        )
        for head in heads
    }
    return sorted(precision, key=lambda head: -precision[head])[:BEST_HEADS]


def _score(
    kind: Literal["topic", "contrast"],
    name: str,
    drawer: str,
    maps: Sequence[tuple[Grids, Mask]],
) -> MapTruth:
    """Score the maps of one drawer over all scenes."""
    scores = [
        score_map(
            centre_prior(len(mask)) if drawer == CENTRE else enlarge(grids[drawer], len(mask)), mask
        )
        for grids, mask in maps
    ]
    return MapTruth(
        kind=kind,
        map=name,
        accuracy=round(fmean(score.accuracy for score in scores), 4),
        miou=round(fmean(score.iou for score in scores), 4),
        mean_precision=round(fmean(score.precision for score in scores), 4),
        maps=len(scores),
    )


def _maps(
    model: ClipModel,
    basis: Tensor,
    heads: Sequence[tuple[int, int]],
    scenes: Sequence[Scene],
    advance: Callable[[int], None],
) -> Iterator[tuple[Grids, Mask]]:
    """Yield for each scene its maps and the mask that they should find."""
    grid, side = model.architecture.grid, model.architecture.image_size
    names = [[object_text(item.name) for item in scene.objects] for scene in scenes]
    texts = sorted({text for scene_texts in names for text in scene_texts})
    embeddings = dict(zip(texts, embed_texts(model, texts), strict=True))
    for start in range(0, len(scenes), BATCH_SIZE):
        batch = scenes[start : start + BATCH_SIZE]
        pixels = pixels_of(model, batch)
        tokens = decompose_patches(model, pixels, heads).cpu()
        attention = class_token_attention(model, pixels, _last_layer(model)).cpu()
        for index, scene in enumerate(batch):
            first, *second = (embeddings[text] for text in names[start + index])
            query = first - second[0] if second else first
            maps = topic_map(tokens[index], torch.einsum("hdr,d->hr", basis, query), grid)
            grids = {head_id(*head): own.numpy() for head, own in zip(heads, maps, strict=True)}
            grids[ALL_HEADS] = maps.sum(dim=0).numpy()
            grids[ATTENTION] = attention[index, :, 1:].mean(dim=0).reshape(grid).numpy()
            yield grids, object_mask(scene, side, scene.objects[:1])
        advance(len(batch))


def _last_layer(model: ClipModel) -> list[tuple[int, int]]:
    return [(model.architecture.layers - 1, head) for head in range(model.architecture.heads)]
