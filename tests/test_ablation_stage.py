"""How many images an ablation takes, and what it asks about them."""

import pytest

from clipheads.bundle.model import Architecture
from clipheads.bundle.pool import PoolRecord, PoolText
from clipheads.stages.ablation import (
    FEWEST_PATCHED,
    MOST_PATCHED,
    PATCHED_PASSES,
    patched_images,
    questions_of,
)


def architecture(layers: int, heads: int) -> Architecture:
    return Architecture(
        layers=layers,
        heads=heads,
        d_head=64,
        width=64 * heads,
        embedding_dim=512,
        image_size=224,
        patch_size=32,
        grid=(7, 7),
        quick_gelu=False,
        parameters=1,
    )


def all_heads(shape: Architecture, first: int = 0) -> list[tuple[int, int]]:
    return [(layer, head) for layer in range(first, shape.layers) for head in range(shape.heads)]


@pytest.mark.parametrize(("layers", "heads"), [(12, 12), (24, 16), (6, 6)])
@pytest.mark.parametrize("gallery", [1000, 3000, 10_000])
def test_patching_costs_so_many_passes_for_each_image_of_the_gallery(
    layers: int, heads: int, gallery: int
) -> None:
    """A patched head costs the layers from its own on, and a pass costs all layers."""
    shape = architecture(layers, heads)
    images = patched_images(gallery, shape, all_heads(shape))
    passes = heads * sum(layers - layer for layer in range(layers)) / layers
    if FEWEST_PATCHED < images < MOST_PATCHED:
        assert images * passes <= PATCHED_PASSES * gallery < (images + 1) * passes
    assert FEWEST_PATCHED <= images <= MOST_PATCHED


def test_the_numbers_of_images_that_the_guide_names() -> None:
    shape = architecture(12, 12)
    assert patched_images(1000, shape, all_heads(shape)) == 7


def test_late_layers_cost_less_so_more_images_are_patched() -> None:
    shape = architecture(24, 16)
    late = patched_images(1000, shape, all_heads(shape, first=20))
    assert late > 10 * patched_images(1000, shape, all_heads(shape))


def pool(*rows: tuple[str, str | None]) -> PoolRecord:
    return PoolRecord(
        name="mine", texts=[PoolText(text=t, property=p) for t, p in rows], parents={}
    )


def test_each_property_with_two_texts_is_a_question() -> None:
    given = pool(("red", "colour"), ("cat", "animal"), ("blue", "colour"), ("one", "count"))
    assert questions_of(given) == {"colour": [0, 2]}


def test_texts_without_properties_are_one_question() -> None:
    assert questions_of(pool(("red", None), ("cat", None))) == {"mine": [0, 1]}
    assert questions_of(pool(("red", None))) == {}
