"""A head as a figure for a paper: its size, its fonts, and the same bytes each time."""

import io
import re
from pathlib import Path

import pytest
from command_line import head_atlas
from PIL import Image
from synthetic_bundle import write_bundle

from headatlas.pictures.head_figure import LAYOUTS, PIXELS_PER_INCH


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("figure") / "atlas", images=9)


def draw(atlas: Path, file: Path, *options: str) -> bytes:
    head_atlas("figure", "demo-clip/L1.H1", "--out", str(file), "--atlas", str(atlas), *options)
    return file.read_bytes()


@pytest.mark.parametrize("width", LAYOUTS)
def test_a_figure_is_as_wide_as_a_column_or_a_page(atlas: Path, tmp_path: Path, width: str) -> None:
    content = draw(atlas, tmp_path / "head.png", "--width", width)
    with Image.open(io.BytesIO(content)) as image:
        assert image.width == int(LAYOUTS[width].width * PIXELS_PER_INCH)
        assert image.height > image.width / 6


def test_a_pdf_embeds_its_fonts_and_an_svg_draws_its_letters(atlas: Path, tmp_path: Path) -> None:
    pdf = draw(atlas, tmp_path / "head.pdf")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    svg = draw(atlas, tmp_path / "head.svg").decode()
    assert "<text" not in svg
    assert len(re.findall(r"<image ", svg)) > 1


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_the_same_head_gives_the_same_bytes(atlas: Path, tmp_path: Path, kind: str) -> None:
    assert draw(atlas, tmp_path / f"a.{kind}") == draw(atlas, tmp_path / f"b.{kind}")


@pytest.mark.parametrize(
    ("head", "file", "message"),
    [
        ("demo-clip/L9.H9", "x.pdf", "no such head here; it has heads from L0.H0 to"),
        ("other/L1.H1", "x.pdf", "with MODEL one of demo-clip"),
        ("L1.H1", "x.pdf", "name a head as MODEL/L11.H7"),
        ("demo-clip/L1.H1", "x.gif", "a figure is a .pdf, .svg or .png file"),
        ("demo-clip/L1.H1", "missing/x.pdf", "no such folder"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    atlas: Path, tmp_path: Path, head: str, file: str, message: str
) -> None:
    ended = head_atlas("figure", head, "--out", str(tmp_path / file), "--atlas", str(atlas))
    assert ended.returncode == 2
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / file).exists()
