"""An image's address is its own: safe in URLs and file names, and never moved by another image."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipheads.bundle.slugs import DEVICES
from clipheads.gallery.files import list_gallery
from clipheads.gallery.image_ids import image_id

PIECES = st.sampled_from(
    [
        "a",
        "b-",
        "-png",
        "-jpg",
        ".png",
        ".jpg",
        ".tar",
        "/",
        "--",
        "x0123456789ab",
        "A",
        "_",
        " ",
        "é",
    ]
)
NAMES = st.lists(PIECES, min_size=1, max_size=7).map("".join) | st.text(max_size=20)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scene-00767.png", "scene-00767"),
        ("cat.jpg", "cat-jpg"),
        ("cat.jpeg", "cat-jpeg"),
        ("dogs/rex-2.png", "dogs--rex-2"),
        ("s-00.tar/000.webp", "s-00-tar--000-webp"),
    ],
)
def test_a_plain_name_is_its_own_address(name: str, expected: str) -> None:
    assert image_id(name) == expected


@given(st.lists(NAMES, unique=True, max_size=40))
def test_no_two_images_have_one_address(names: list[str]) -> None:
    assert len({image_id(name) for name in names}) == len(names)


@given(NAMES)
def test_an_address_is_safe_in_urls_and_file_names(name: str) -> None:
    identity = image_id(name)
    assert re.fullmatch(r"[a-z0-9]+(--?[a-z0-9]+)*", identity)
    assert len(identity) <= 120
    assert identity not in DEVICES


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a b.png", "a-b.png"),
        ("a.png", "a.jpg"),
        ("a-jpg.png", "a.jpg"),
        ("a/b.png", "a-b.png"),
        ("a--b.png", "a/b.png"),
        ("A.png", "a.png"),
        ("日.png", "本.png"),
        ("\udcff.png", "\udcfe.png"),
        ("s.tar/a.png", "s-tar/a.png"),
        ("x/x0123456789ab.png", "X.png"),
    ],
)
def test_names_that_look_alike_stay_apart(one: str, other: str) -> None:
    assert image_id(one) != image_id(other)


@given(
    st.lists(st.text("aB -.", min_size=1, max_size=4), unique_by=str.lower, min_size=1, max_size=6),
    st.text("aB -", min_size=1, max_size=4),
)
def test_adding_a_file_never_changes_the_address_of_another(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], added: str
) -> None:
    folder = tmp_path_factory.mktemp("gallery")
    for name in names:
        (folder / f"0{name}.png").write_bytes(b"")
    before = addresses(folder)
    (folder / f"0{added}.jpg").write_bytes(b"")

    assert before.items() < addresses(folder).items()


def addresses(folder: Path) -> dict[str, str]:
    files, _ = list_gallery(folder)
    return {file.file: file.id for file in files}
