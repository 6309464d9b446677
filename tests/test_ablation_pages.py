"""How much a head matters, on its page: every number is that of its JSON."""

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from synthetic_bundle import edit_json, write_bundle

from clipheads.bundle.ablation import Estimate, HeadAblation, ModelAblation
from headatlas.formats import decimal, percent, significant
from headatlas.pages.ablation import QUESTIONS_SHOWN, AblationView
from headatlas.publish.check import check_site
from headatlas.site import generate_site

pytestmark = pytest.mark.usefixtures("few_published")

LAYERS, HEADS = 2, 3
IDLE = "L1.H2"
"""The last head does nothing, see `synthetic_ablation`."""
OTHERS = ["L0.H0", "L0.H1", "L0.H2", "L1.H0", "L1.H1"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    atlas = write_bundle(tmp_path_factory.mktemp("ablation") / "atlas", layers=LAYERS, heads=HEADS)
    generate_site(atlas, atlas.parent / "site")
    return atlas.parent / "site"


def section(site: Path, head: str) -> str:
    """The words of the section on a head's page."""
    page = (site / "demo-clip" / head / "index.html").read_text(encoding="utf-8")
    own = re.search(r'<section id="ablation".*?</section>', page, re.DOTALL)
    assert own is not None
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", own[0])).split())


def twin(site: Path, head: str) -> dict[str, Any]:
    file = (site / "demo-clip" / head / "head.json").read_text(encoding="utf-8")
    ablation: dict[str, Any] = json.loads(file)["ablation"]
    return ablation


@pytest.mark.parametrize("head", OTHERS)
def test_every_number_on_the_page_is_in_its_json(site: Path, head: str) -> None:
    words, data = section(site, head), twin(site, head)
    answers = data["answers_changed"]
    assert f"{percent(answers['value'])} of the model’s zero-shot answers change" in words
    assert f"interval {percent(answers['low'])} to {percent(answers['high'])}" in words
    shown = [row for row in data["questions"] if row["score"] > 0][:QUESTIONS_SHOWN]
    assert shown
    for row in shown:
        assert (
            f"{row['property']} {percent(row['changed'])} mean head {percent(row['mean'])} "
            f"{percent(row['margin_lost'], 0)}"
        ) in words
    for effect in ("direct", "total"):
        value, low, high = (significant(data[effect][end]) for end in ("value", "low", "high"))
        assert f"{effect} {value} {low}–{high}" in words
    assert f"{percent(data['direct_changed'])} of the answers change directly" in words
    assert f"{percent(data['total_changed'])} in total" in words
    assert f"{percent(data['kept']['value'], 0)} " in words


def test_questions_that_stand_out_are_named_and_others_are_not(site: Path) -> None:
    """The head at a position changes a third of the answers to the question at that position."""
    words = section(site, "L0.H1")
    assert "Most affected, compared with the mean head: Colours ." in words
    assert [row["property"] for row in twin(site, "L0.H1")["questions"] if row["score"] > 4] == [
        "Colours"
    ]


def test_where_direct_effects_mislead_is_said(site: Path) -> None:
    assert "Later blocks make up for part of its loss." in section(site, "L0.H0")
    assert "This head acts through later blocks too." in section(site, "L0.H1")
    mostly = section(site, "L1.H0")
    assert "This head acts mostly through later blocks." in mostly
    ratio = twin(site, "L1.H0")["ratio"]
    assert f"is {decimal(ratio['value'])} times its direct effect" in mostly
    assert f"interval {decimal(ratio['low'])} to {decimal(ratio['high'])}" in mostly


def test_a_head_that_does_nothing_says_so_and_has_no_ratio(site: Path) -> None:
    words, data = section(site, IDLE), twin(site, IDLE)
    assert data["ratio"] is None
    assert data["kept"] is None
    assert "This head does nothing:" in words
    assert "No question is clearly affected:" in words
    assert "0.0% of the model’s zero-shot answers change" in words
    assert "times its direct effect" not in words


def test_without_a_question_there_are_effects_but_no_answers(tmp_path: Path) -> None:
    atlas = write_bundle(tmp_path / "atlas", layers=1, heads=2)
    none = {
        "answers_changed": None,
        "questions": [],
        "direct_changed": None,
        "total_changed": None,
    }
    for path in (atlas / "demo-clip/heads").iterdir():
        edit_json(path, ablation=json.loads(path.read_bytes())["ablation"] | none)
    model = json.loads((atlas / "demo-clip/model.json").read_bytes())
    edit_json(
        atlas / "demo-clip/model.json",
        ablation=model["ablation"] | {"questions": []},
        heads=[head | {"answers_changed": None} for head in model["heads"]],
    )
    generate_site(atlas, tmp_path / "site")
    words = section(tmp_path / "site", "L0.H0")
    assert "there is no zero-shot question" in words
    assert "Direct and total effect" in words
    assert "of the answers change" not in words
    assert check_site(tmp_path / "site") == []


def estimate(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high)


@pytest.mark.parametrize(
    ("low", "high", "route"),
    [
        (0.5, 0.9, "weaker"),
        (0.5, 1.5, "alike"),
        (1.1, 1.5, "also later"),
        (1.9, 5.0, "also later"),
        (2.1, 5.0, "mostly later"),
    ],
)
def test_a_claim_needs_its_whole_interval(low: float, high: float, route: str) -> None:
    left = {"weaker": "undone", "alike": "alike"}.get(route, "amplified")
    one = estimate(0, 1)
    record = HeadAblation(
        answers_changed=one,
        questions=[],
        direct=one,
        total=one,
        ratio=estimate(low, high),
        kept=estimate(low, high),
        direct_changed=0,
        total_changed=0,
    )
    facts = ModelAblation(
        questions=[],
        question_images=1,
        mean_images=1,
        patched_images=1,
        norm_error=0,
        clear=4,
    )
    view = AblationView(record, facts, 1, None, (), ())
    assert view.route == route
    assert view.left == left
