"""Whether heat maps cover what they speak of: against the masks of objects that are known."""

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipheads.bundle.ground_truth import MapTruth
from clipheads.bundle.names import head_id
from clipheads.demo_world.truth.observed_scenes import BATCH_SIZE, pixels_of
from clipheads.demo_world.world.captions import object_text
from clipheads.demo_world.world.scenes import Scene, object_mask, sample_scene
from clipheads.maths.decomposition import class_token_attention, decompose_patches
from clipheads.maths.heat_maps import topic_map
from clipheads.model.clip_model import ClipModel
from clipheads.model.text import embed_texts
from clipheads.truth.map_scores import average_precision, centred_blob, enlarge, score_map

ALL_HEADS, ATTENTION, BLOB = "all", "attention", "blob"

MAPPED_SCENES = 120
CHOOSING_SCENES = 40
"""Other scenes, on which the best heads are chosen."""

FIRST_CHOOSING_SEED = 800_000
FIRST_MAPPED_SEED = 850_000
CANDIDATES = 1500
"""So many seeds from there on hold enough scenes of either kind."""

BEST_HEADS = 3


def map_truths(
    model: ClipModel, basis: Tensor, objects: int, advance: Callable[[int], None]
) -> list[MapTruth]:
    """Score the maps of all heads together and of the best ones, beside what knows no text.

    Args:
        model: whose heads draw.
        basis: [heads, D, r] of all heads.
        objects: 1 for topics, the object's name on scenes of one object; 2 for contrasts, the
            first name minus the second on scenes of two, to be found is the first.
        advance: told the number of scenes.
    """
    architecture = model.architecture
    of_heads = [
        (layer, head) for layer in range(architecture.layers) for head in range(architecture.heads)
    ]
    maps = {}
    for first, count in (
        (FIRST_CHOOSING_SEED, CHOOSING_SCENES),
        (FIRST_MAPPED_SEED, MAPPED_SCENES),
    ):
        scenes = [sample_scene(seed) for seed in range(first, first + CANDIDATES)]
        scenes = [scene for scene in scenes if len(scene.objects) == objects][:count]
        maps[first] = list(_maps(model, basis, of_heads, scenes, advance))
    precision = {
        head_id(*head): fmean(
            average_precision(enlarge(drawn[head_id(*head)], len(mask)).ravel(), mask.ravel())
            for drawn, mask in maps[FIRST_CHOOSING_SEED]
        )
        for head in of_heads
    }
    best = sorted(precision, key=lambda head: -precision[head])[:BEST_HEADS]
    shown = {"all heads together": ALL_HEADS}
    shown |= {
        f"{head} alone, {place} on other scenes": head
        for head, place in zip(best, ("best", "second", "third"), strict=True)
    }
    shown |= {
        "attention of the class token in the last layer": ATTENTION,
        "a blob in the centre": BLOB,
    }
    rows = []
    for name, key in shown.items():
        scores = [
            score_map(
                centred_blob(len(mask)) if key == BLOB else enlarge(drawn[key], len(mask)), mask
            )
            for drawn, mask in maps[FIRST_MAPPED_SEED]
        ]
        rows.append(
            MapTruth(
                kind="topic" if objects == 1 else "contrast",
                map=name,
                accuracy=round(fmean(score.accuracy for score in scores), 4),
                miou=round(fmean(score.iou for score in scores), 4),
                mean_precision=round(fmean(score.precision for score in scores), 4),
                maps=len(scores),
            )
        )
    return rows


def _maps(
    model: ClipModel,
    basis: Tensor,
    of_heads: Sequence[tuple[int, int]],
    scenes: Sequence[Scene],
    advance: Callable[[int], None],
) -> Iterator[tuple[dict[str, NDArray[np.float32]], NDArray[np.bool_]]]:
    """Yield for each scene its grids, by what drew them, and the mask that they should find."""
    grid = model.architecture.grid
    side = model.architecture.image_size
    names = [[object_text(item.name) for item in scene.objects] for scene in scenes]
    every = sorted({name for each in names for name in each})
    rows = {name: row for row, name in enumerate(every)}
    texts = embed_texts(model, every)
    for start in range(0, len(scenes), BATCH_SIZE):
        batch = scenes[start : start + BATCH_SIZE]
        pixels = pixels_of(model, batch)
        tokens = decompose_patches(model, pixels, of_heads).cpu()
        attention = class_token_attention(model, pixels, model.architecture.layers - 1).cpu()
        for index, scene in enumerate(batch):
            first, *second = (texts[rows[name]] for name in names[start + index])
            wanted = first - second[0] if second else first
            drawn = topic_map(tokens[index], torch.einsum("hdr,d->hr", basis, wanted), grid)
            grids = {head_id(*head): drawn[place].numpy() for place, head in enumerate(of_heads)}
            grids[ALL_HEADS] = drawn.sum(dim=0).numpy()
            grids[ATTENTION] = attention[index, :, 1:].mean(dim=0).reshape(grid).numpy()
            yield grids, object_mask(scene, side, scene.objects[:1])
        advance(len(batch))
