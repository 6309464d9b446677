"""What moves a head is on its page, on its model's page and in its JSON; or left out everywhere."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic_bundle import edit_json, write_bundle

from clipheads.bundle.head import HeadRecord
from clipheads.bundle.model import ModelRecord
from headatlas.pages.profile import effect_maps, head_profile_view, level
from headatlas.publish.check import check_site
from headatlas.site import generate_site

pytestmark = pytest.mark.usefixtures("few_published")

LAYERS, HEADS = 2, 3


class Text(HTMLParser):
    """The words of a page's section `profile`, and how many there are of each element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inside, self.words = False, ""
        self.classes: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where the section begins."""
        known = dict(attrs)
        if tag == "section":
            self.inside = known.get("id") == "profile"
        if self.inside:
            self.classes += (known.get("class") or "").split()

    def handle_data(self, data: str) -> None:
        """Collect the section's text."""
        if self.inside:
            self.words = " ".join([*self.words.split(), *data.split()])


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("profile") / "atlas", layers=LAYERS, heads=HEADS)


@pytest.fixture(scope="module")
def site(atlas: Path) -> Path:
    generate_site(atlas, atlas.parent / "site")
    return atlas.parent / "site"


def heads(atlas: Path) -> list[HeadRecord]:
    return [
        HeadRecord.model_validate_json(path.read_bytes())
        for path in sorted((atlas / "demo-clip" / "heads").iterdir())
    ]


def model(atlas: Path) -> ModelRecord:
    return ModelRecord.model_validate_json((atlas / "demo-clip" / "model.json").read_bytes())


def section(page: Path) -> Text:
    return Text(page.read_text(encoding="utf-8"))


def test_a_head_that_stands_out_says_under_what_and_by_how_much(site: Path) -> None:
    shown = section(site / "demo-clip/L0.H1/index.html")
    assert "Stands out. Compared with the mean over all heads" in shown.words
    assert "3.0 times as much by rotating the hue;" in shown.words
    assert shown.words.count("stands out") == 1
    assert shown.classes.count("effect-bar") == 4
    assert "no sign that this head reads" in shown.words


def test_a_head_that_stands_out_nowhere_has_no_clear_cause(site: Path) -> None:
    shown = section(site / "demo-clip/L1.H1/index.html")
    assert "No clear cause." in shown.words
    assert "stands out" not in shown.words


def test_a_head_that_reads_says_so_on_its_page_and_its_models(site: Path) -> None:
    assert "this head reads." in section(site / "demo-clip/L0.H2/index.html").words
    words = section(site / "demo-clip/index.html").words
    assert "1 head reads: a printed word moves L0.H2 towards the word’s own text." in words


def test_the_model_page_names_the_heads_that_stand_out_under_each_change(site: Path) -> None:
    words = section(site / "demo-clip/index.html").words
    assert "removing colour mean effect 0.40 L0.H0 3.0 ×" in words
    assert "a printed word mean effect 0.30 L1.H0 3.0 ×" in words


def test_head_json_has_the_profile(site: Path) -> None:
    record = json.loads((site / "demo-clip/L0.H1/head.json").read_bytes())
    assert [one["transform"] for one in record["profile"]["effects"]] == [
        "grey",
        "hue",
        "blur",
        "word",
    ]
    assert record["profile"]["effects"][1]["stands_out"] is True


def test_a_site_with_profiles_has_no_problems(site: Path) -> None:
    assert check_site(site) == []


def test_without_a_profile_no_page_speaks_of_it(atlas: Path, tmp_path: Path) -> None:
    plain = write_bundle(tmp_path / "atlas", layers=LAYERS, heads=HEADS)
    edit_json(plain / "demo-clip/model.json", profile=None)
    for path in (plain / "demo-clip/heads").iterdir():
        edit_json(path, profile=None)
    generate_site(plain, tmp_path / "site")
    for page in ("demo-clip/index.html", "demo-clip/L0.H0/index.html"):
        assert "#profile" not in (tmp_path / "site" / page).read_text(encoding="utf-8")
        assert section(tmp_path / "site" / page).words == ""
    assert check_site(tmp_path / "site") == []


def test_when_no_head_stands_out_the_model_page_says_what_to_make_of_it(tmp_path: Path) -> None:
    alike = write_bundle(tmp_path / "atlas", layers=LAYERS, heads=HEADS)
    for path in (alike / "demo-clip/heads").iterdir():
        profile = json.loads(path.read_bytes())["profile"]
        for one in profile["effects"]:
            one["stands_out"] = False
        edit_json(path, profile=profile)
    generate_site(alike, tmp_path / "site")
    words = section(tmp_path / "site/demo-clip/index.html").words
    assert "No head stands out under any change." in words
    assert words.count("none stands out") == 4


def test_bars_are_to_the_scale_of_the_longest_and_leave_room_for_another_picture(
    atlas: Path,
) -> None:
    for head in heads(atlas):
        view = head_profile_view(head.profile, model(atlas).profile)
        assert view is not None
        assert 0 < view.one_at < 100
        for row in view.rows:
            assert 0 <= row.low_at <= row.value_at <= row.high_at <= 100
            scale = view.one_at
            assert row.value_at == pytest.approx(scale * row.effect.effect, abs=0.02)
            assert row.mean_at == pytest.approx(scale * row.transform.mean, abs=0.02)


def test_a_map_has_a_cell_for_every_head_with_the_last_layer_on_top(atlas: Path) -> None:
    for place, one in enumerate(effect_maps(heads(atlas), model(atlas).profile)):
        outlines = dict(one.paths)
        assert sum(outline.count("M") for outline in outlines.values()) == LAYERS * HEADS
        layer, head = divmod(place, HEADS)
        assert f"M{head} {LAYERS - 1 - layer}h" in outlines[level(3.0)]


def test_colour_grows_with_the_ratio_up_to_four() -> None:
    levels = [level(ratio) for ratio in (0, 0.5, 1, 2, 4, 40)]
    assert levels == sorted(levels)
    assert (levels[0], levels[-2], levels[-1]) == (0, 9, 9)
