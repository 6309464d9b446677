"""A head that is exactly a colour head comes out as one; a head that knows nothing, as chance."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clipheads.truth.separation import separation

COLOURS = ("red", "green", "blue")
SHAPES = ("square", "round")


def planted(images: int, seed: int) -> tuple[torch.Tensor, list[str], list[str]]:
    """Coordinates that hold the colour and noise, with independent colours and shapes."""
    rng = torch.Generator().manual_seed(seed)
    colours = torch.randint(len(COLOURS), (images,), generator=rng)
    shapes = torch.randint(len(SHAPES), (images,), generator=rng)
    coordinates = torch.randn(images, 6, generator=rng) * 0.1
    coordinates[torch.arange(images), colours] += 1.0
    return (
        coordinates,
        [COLOURS[place] for place in colours.tolist()],
        [SHAPES[place] for place in shapes.tolist()],
    )


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_a_planted_colour_head_separates_colours_and_not_shapes(seed: int) -> None:
    known, colours, shapes = planted(300, seed)
    asked, asked_colours, asked_shapes = planted(300, seed + 1_000_000)

    colour = separation(known, colours, asked, asked_colours)
    shape = separation(known, shapes, asked, asked_shapes)

    assert colour.accuracy == 1.0
    assert colour.gain == 1.0
    assert colour.chance == pytest.approx(1 / 3)
    assert shape.gain == pytest.approx(0, abs=0.3)
    assert shape.chance == 0.5


def test_a_constant_head_is_no_better_than_guessing() -> None:
    _, colours, _ = planted(600, 0)
    _, asked, _ = planted(600, 1)

    found = separation(torch.zeros(600, 4), colours, torch.zeros(600, 4), asked)

    # All ask the same eight voters, so one value is told of everything: a recall of 1 and 0s.
    assert found.accuracy == pytest.approx(1 / 3)
    assert found.gain == pytest.approx(0)


def test_a_common_value_does_not_win_by_its_number() -> None:
    known, colours, _ = planted(400, 0)
    asked, asked_colours, _ = planted(400, 1)
    rare = [row for row, name in enumerate(colours) if name != "red"][:40]
    red = [row for row, name in enumerate(colours) if name == "red"]
    rows = rare + red

    found = separation(known[rows], [colours[row] for row in rows], asked, asked_colours)

    assert found.accuracy > 0.97


def test_images_without_a_value_and_values_never_seen_take_no_part() -> None:
    known, colours, _ = planted(200, 0)
    asked, asked_colours, _ = planted(200, 1)
    blank = [None if row % 2 else name for row, name in enumerate(asked_colours)]
    unknown = ["purple" if name is None else name for name in blank]

    only_named = separation(known, colours, asked, blank)

    assert only_named == separation(known, colours, asked, unknown)
    assert only_named.accuracy == 1.0


def test_one_value_alone_cannot_be_told_apart() -> None:
    with pytest.raises(ValueError, match="two values"):
        separation(torch.zeros(3, 2), ["red"] * 3, torch.zeros(3, 2), ["red"] * 3)
