"""A head whose nearest images share a property bears it; a head that tells nothing bears none."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from clipheads.descriptions import Description, texts_sha256
from clipheads.errors import AtlasError
from clipheads.neighbour_labels import (
    MARGIN,
    Told,
    name_heads_by_neighbours,
    neighbour_label,
    questions,
    tell_questions,
)

D, IMAGES = 48, 400
PROPERTIES = {"colour": 8, "style": 4, "bird": 12}


def planted() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Three heads, which write the colour, the style and noise; birds are written elsewhere.

    Returns:
        Coordinates, embeddings, bases, and the texts of the pool: a direction for each value.
    """
    rng = torch.Generator().manual_seed(0)
    texts = torch.linalg.qr(torch.randn(D, D, generator=rng)).Q.T[: sum(PROPERTIES.values())]
    basis = torch.stack([torch.linalg.qr(torch.randn(D, 20, generator=rng)).Q for _ in range(3)])
    basis[0, :, :8] = texts[:8].T
    basis[1, :, :4] = texts[8:12].T
    basis = torch.linalg.qr(basis).Q
    colours = torch.randint(8, (IMAGES,), generator=rng)
    styles = torch.randint(4, (IMAGES,), generator=rng)
    written = torch.stack(
        [texts[colours], texts[8 + styles], torch.randn(IMAGES, D, generator=rng) * 0.2], dim=1
    )
    coordinates = torch.einsum("nhd,hdr->nhr", written, basis)
    elsewhere = 2 * texts[12 + torch.randint(12, (IMAGES,), generator=rng)]
    # Without the noise, which would push the model's answers about as well.
    embeddings = torch.einsum("nhr,hdr->nd", coordinates[:, :2], basis[:2]) + elsewhere
    return coordinates, embeddings, basis, texts


def pool() -> list[Description]:
    return [
        Description(f"{name} {index}", name)
        for name, count in PROPERTIES.items()
        for index in range(count)
    ]


def test_planted_heads_get_their_labels_and_noise_gets_none() -> None:
    coordinates, embeddings, _, texts = planted()
    told = tell_questions(coordinates, embeddings, texts, questions(pool()))
    labels = [neighbour_label(one) for one in told]

    assert [label.text for label in labels] == ["colour", "style", None]
    assert told[0]["colour"].gain > 0.95
    assert told[2]["colour"].gain < 0.2
    assert "random questions" in labels[2].reason


def test_the_length_of_texts_changes_no_label() -> None:
    coordinates, embeddings, _, texts = planted()
    longer = texts.clone()
    longer[12:] *= 1.3  # all birds, as if their projections were long
    told = tell_questions(coordinates, embeddings, longer, questions(pool()))

    assert [neighbour_label(one).text for one in told][:2] == ["colour", "style"]


def test_the_best_told_of_those_clearly_above_chance_is_the_label() -> None:
    told = {
        "rare but clear": Told(gain=0.5, floor=0.1),
        "best": Told(gain=0.8, floor=0.5),
        "high for any question": Told(gain=0.9, floor=0.9 - MARGIN / 2),
    }

    assert neighbour_label(told).text == "best"
    assert neighbour_label({"none": Told(0.3, 0.25)}).text is None


def test_a_property_with_a_single_text_asks_nothing_and_spelling_does_not_matter() -> None:
    descriptions = [
        Description("a", "Colour"), Description("b", "colours"), Description("c", "style"),
        Description("d"),
    ]  # fmt: skip

    assert questions(descriptions) == {"Colour": [0, 1]}


def write_bundle(folder: Path) -> None:
    coordinates, embeddings, basis, texts = planted()
    save_file(
        {"embeddings": texts},
        folder / "descriptions.safetensors",
        {"texts_sha256": texts_sha256([row.text for row in pool()])},
    )
    save_file({"basis": basis.contiguous()}, folder / "basis.safetensors")
    save_file(
        {"coordinates": coordinates.contiguous(), "embeddings": embeddings},
        folder / "coordinates.safetensors",
    )


def test_a_bundle_is_labelled_from_its_files(tmp_path: Path) -> None:
    write_bundle(tmp_path)
    file = tmp_path / "pool.csv"
    file.write_text("text,property\n" + "".join(f"{d.text},{d.property}\n" for d in pool()))
    heads = {"L0.H0": pool()[:3], "L0.H1": pool()[:3], "L0.H2": pool()[:3]}

    named = name_heads_by_neighbours(heads, tmp_path, pool=file)

    assert {head: label.text for head, label in named.labels.items()} == {
        "L0.H0": "colour", "L0.H1": "style", "L0.H2": None,
    }  # fmt: skip
    assert named.matching["L0.H0"] == [True, True, True]
    assert named.matching["L0.H1"] == [False, False, False]
    assert named.labeller.kind == "neighbours"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,property\none,colour\n", "1 texts, but .* was built with 24"),
        (
            "text,property\n" + "".join(f"mended {i},colour\n" for i in range(24)),
            "not the texts that .* was built with",
        ),
        ("\n".join(d.text for d in pool()), "no property with two texts"),
    ],
)
def test_another_pool_or_one_without_properties_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    write_bundle(tmp_path)
    file = tmp_path / ("pool.csv" if "," in content else "pool.txt")
    file.write_text(content)

    with pytest.raises(AtlasError, match=message):
        name_heads_by_neighbours({"L0.H0": [], "L0.H1": [], "L0.H2": []}, tmp_path, pool=file)
