"""The settings of a build's stages: every number that an output depends on is in its stage's key.

A stage's key begins with `settings_of(stage)`, and a stage that is not in `STAGES` has none. A
number that is added to a module of the build belongs into the list of each stage that uses it;
a test looks for those that are in no list.
"""

from dataclasses import dataclass
from importlib import import_module

PICKS = 10
"""TEXTSPAN descriptions of a head."""
LAST_LAYERS = 4
SHARD_IMAGES = 256
SHARD_TEXTS = 512
SHARD_MAPPED_IMAGES = 64
PROFILED_IMAGES = 256
"""Of so many images, evenly spread over the gallery, the profile is made."""
PRECISION_IMAGES = 32
"""On so many images the error of a lower precision is measured."""
FIDELITY_IMAGES = 64
FIDELITY_TEXTS = 256
"""On so many, evenly spread, the error of an exported encoder is measured."""

_OF_ONNX = ("browser.onnx_graph.OPSET", "browser.onnx_graph.IR_VERSION", "browser.onnx_graph.BLOCK")
_OF_ENCODERS = (*_OF_ONNX, "browser.onnx_graph.STORAGES", "browser.encoders.MAX_ENCODER_ERROR")
_OF_MAPS = (
    "stages.records.NEIGHBOURS",
    "stages.records.DESCRIPTION_MAPS",
    "stages.records.TOPIC_MAPS",
    "stages.records.CONTRAST_MAPS",
)
_OF_TRANSFORMS = (
    "gallery.transforms.VERSION",
    "gallery.transforms.LUMA",
    "gallery.transforms.BLUR",
    "gallery.transforms.CELLS",
    "gallery.transforms.ZOOM",
    "gallery.transforms.SHIFT",
    "gallery.transforms.DIM",
    "gallery.transforms.CARD",
    "gallery.transforms.MARGIN",
)
_OF_EFFECTS = (
    "maths.sensitivity.RESAMPLES",
    "maths.sensitivity.PERCENTILES",
    "maths.profile.STANDS_OUT",
    "maths.profile.READS",
    "maths.profile.SMALLEST_VARIANCE",
)
_OF_FIDELITY = ("browser.fidelity.MAX_ERROR", "browser.fidelity.MIN_SAME", "browser.fidelity.TOP")


@dataclass(frozen=True)
class Settings:
    """What a stage's output depends on beside its inputs."""

    version: int
    """Raised when the stage would give other output for the same input and numbers."""
    numbers: tuple[str, ...] = ()
    """Where they are: module and name."""


STAGES = {
    "gallery": Settings(
        1,
        (
            "gallery.pictures.LONG_SIDE",
            "gallery.pictures.QUALITY",
            "gallery.pictures.MAX_PIXELS",
            "gallery.pictures.MAX_RATIO",
        ),
    ),
    "contributions": Settings(
        1, ("stages.settings.SHARD_IMAGES", "stages.settings.PRECISION_IMAGES")
    ),
    "descriptions": Settings(2, ("stages.settings.SHARD_TEXTS",)),
    "pool": Settings(1),
    "topics": Settings(2, ("stages.settings.SHARD_TEXTS",)),
    "textspan": Settings(
        1, ("stages.settings.PICKS", "maths.text_span.RANK_TOLERANCE", "maths.text_span.VANISHED")
    ),
    "neighbours": Settings(1, ("stages.records.NEIGHBOURS",)),
    "profile": Settings(1, (*_OF_TRANSFORMS, *_OF_EFFECTS)),
    "heat maps": Settings(
        2,
        (
            *_OF_MAPS,
            "stages.settings.SHARD_MAPPED_IMAGES",
            "stages.gallery_pass.PATCH_NUMBERS",
        ),
    ),
    "projections": Settings(
        2, ("browser.projections.PROJECTION_STORAGES", *_OF_ONNX, *_OF_FIDELITY)
    ),
    "text encoder": Settings(1, ("stages.settings.FIDELITY_TEXTS", *_OF_ENCODERS, *_OF_FIDELITY)),
    "image encoder": Settings(1, ("stages.settings.FIDELITY_IMAGES", *_OF_ENCODERS, *_OF_FIDELITY)),
    "search": Settings(2, ("browser.binary_rows.VERSION", "bundle.slugs.MAX_LENGTH")),
    "records": Settings(
        3,
        (
            "bundle.record.FORMAT",
            *_OF_MAPS,
            "stages.records.STRONGEST",
            "stages.records.SHOWN_WITH_NEIGHBOURS",
            "stages.records.PROPERTY_EXAMPLES",
            "stages.records.PROPERTY_NEIGHBOURS",
            "stages.records.HEADS_OF_AN_IMAGE",
            "stages.records.SCORED_LAYERS",
            "maths.text_span.RANDOM_SETS",
            "maths.scores.Z",
            "maths.scores.MATCHES_NEEDED",
            "bundle.slugs.MAX_LENGTH",
        ),
    ),
}
"""By the stage's name."""


def settings_of(stage: str) -> list[object]:
    """Return the version and all numbers of a stage, as plain JSON values.

    Raises:
        KeyError: if the stage has no settings.
    """
    settings = STAGES[stage]
    return [settings.version, {name: _value(name) for name in settings.numbers}]


def _value(name: str) -> object:
    module, attribute = name.rsplit(".", 1)
    value: object = getattr(import_module(f"clipheads.{module}"), attribute)
    return value
