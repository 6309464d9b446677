"""The stage `profile`: how far changes to pictures move each head."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from clipheads.browser.projections import save_tensors
from clipheads.bundle.names import head_id
from clipheads.bundle.profile import (
    HeadProfile,
    ModelProfile,
    ProfileRecord,
    TransformEffect,
    TransformRecord,
    WordReading,
)
from clipheads.gallery.transforms import PRINTED, NamedTransform, all_transforms, word_of
from clipheads.maths.profile import (
    READS,
    STANDS_OUT,
    Effects,
    Reading,
    measure_effects,
    measure_reading,
)
from clipheads.model.text import embed_texts
from clipheads.stages.checkpoint import CHECKPOINT
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.inputs import HEADS, IMAGES, MODEL, PROFILED, WORDS, basis_of_this_run
from clipheads.stages.rounding import rounded
from clipheads.stages.store import RecordFile, Store
from clipheads.stages.transform_pass import seen_pictures, transformed_coordinates

PROFILE = RecordFile("profile.json", ProfileRecord)


def _make(store: Store) -> None:
    model, heads = store.get(MODEL), store.get(HEADS)
    images, words = store.get(IMAGES), [word for word, _ in store.get(WORDS)]
    files = [images[position].path for position in store.get(PROFILED)]
    transforms = all_transforms(words)
    passes = [None, *(transform.apply for transform in transforms)]
    with store.steps(len(passes) * len(files), "images") as advance:
        made: set[int] = set()

        @cache
        def pictures() -> Tensor:
            return seen_pictures(model, files, batch_size=store.batch_size)

        def make(index: int, path: Path) -> None:
            coordinates = transformed_coordinates(
                model,
                pictures(),
                heads,
                passes[index],
                batch_size=store.batch_size,
                advance=advance,
            )
            save_tensors(path, {"coordinates": coordinates})
            made.add(index)

        paths = []
        # Another release of torch may find another basis, to which kept shards do not belong.
        for index, path in store.shards(len(passes), make, also=torch.__version__):
            if index not in made:
                advance(len(files))
            paths.append(path)
        before, *after = paths

        texts = embed_texts(model, [text for _, text in store.get(WORDS)])
        printed = after[[transform.name for transform in transforms].index(PRINTED)]
        record = profile_record(
            measure_effects(_coordinates(before), map(_coordinates, after)),
            measure_reading(
                _coordinates(before),
                _coordinates(printed),
                torch.einsum("wd,hdr->whr", texts, store.derived(basis_of_this_run)),
                [word_of(words, seed) for seed in range(len(files))],
            ),
            heads=heads,
            transforms=transforms,
            words=words,
            images=len(files),
        )
    store.write_record(PROFILE.path, record)


def _coordinates(path: Path) -> Tensor:
    coordinates: Tensor = load_file(path)["coordinates"]
    return coordinates


def profile_record(
    effects: Effects,
    reading: Reading,
    *,
    heads: Sequence[tuple[int, int]],
    transforms: Sequence[NamedTransform],
    words: Sequence[str],
    images: int,
) -> ProfileRecord:
    """Make the record of what moves each of `heads`, measured over `images` images."""
    means = effects.effect.value.mean(dim=0).tolist()
    return ProfileRecord(
        model=ModelProfile(
            images=images,
            words=list(words),
            transforms=[
                TransformRecord(
                    name=transform.name,
                    title=transform.title,
                    group=transform.group,
                    mean=rounded(mean),
                )
                for transform, mean in zip(transforms, means, strict=True)
            ],
            stands_out=STANDS_OUT,
            reads=READS,
        ),
        heads={
            head_id(*head): HeadProfile(
                effects=[
                    TransformEffect(
                        transform=transform.name,
                        effect=rounded(float(effects.effect.value[position, column])),
                        low=rounded(float(effects.effect.low[position, column])),
                        high=rounded(float(effects.effect.high[position, column])),
                        ratio=rounded(float(effects.ratio.value[position, column])),
                        ratio_low=rounded(float(effects.ratio.low[position, column])),
                        ratio_high=rounded(float(effects.ratio.high[position, column])),
                        stands_out=bool(effects.stands_out[position, column]),
                    )
                    for column, transform in enumerate(transforms)
                ],
                reading=WordReading(
                    towards=rounded(float(reading.towards[position])),
                    deviations=rounded(float(reading.deviations[position])),
                    beyond=rounded(float(reading.beyond.value[position])),
                    beyond_low=rounded(float(reading.beyond.low[position])),
                    beyond_high=rounded(float(reading.beyond.high[position])),
                    reads=bool(reading.reads[position]),
                ),
            )
            for position, head in enumerate(heads)
        },
    )


def _of_heads(store: Store) -> Iterator[Fields]:
    record = store.record(PROFILE) if store.has(PROFILE) else None
    for head in store.record(CHECKPOINT).heads:
        yield {"profile": record.heads[head_id(*head)] if record else None}


def _of_model(store: Store) -> Fields:
    return {"profile": store.record(PROFILE).model if store.has(PROFILE) else None}


profile = Stage(
    "profile",
    _make,
    reads=(MODEL, HEADS, IMAGES, PROFILED, WORDS),
    writes=(PROFILE,),
    settings=(
        "gallery.transforms.VERSION",
        "gallery.transforms.LUMA",
        "gallery.transforms.BLUR",
        "gallery.transforms.CELLS",
        "gallery.transforms.ZOOM",
        "gallery.transforms.SHIFT",
        "gallery.transforms.DIM",
        "gallery.transforms.CARD",
        "gallery.transforms.MARGIN",
        "bundle.profile.RESAMPLES",
        "maths.sensitivity.PERCENTILES",
        "maths.profile.STANDS_OUT",
        "maths.profile.READS",
        "maths.profile.SMALLEST_VARIANCE",
    ),
    optional=True,
    part=Part(reads=(CHECKPOINT, PROFILE), heads=_of_heads, model=_of_model),
)
