"""Two heads side by side: any pair by its address, with back and forward, keyboard and phone."""

import json
import re
from urllib.parse import unquote

import pytest
from axe_rules import violations
from serving import serving
from synthetic_bundle import write_bundle

from headatlas.publish.serve import make_server
from headatlas.site import generate_site

PAGE = "compare/heads/index.html"
PAIR = f"{PAGE}#a=demo-clip/L1.H2&b=other%2Bclip/L0.H1"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site of two models whose heads have been compared."""
    folder = tmp_path_factory.mktemp("compared")
    names = ("demo-clip", "other+clip")
    generate_site(write_bundle(folder / "atlas", names=names, images=9, heads=3), folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def served(site):
    with serving(make_server(site, 0)) as address:
        yield address


def head(site, model, identity):
    return json.loads((site / model / identity / "head.json").read_text())


def shown(page):
    page.locator(".pair").wait_for()
    return page.locator(".pair .name").all_inner_texts()


def test_the_address_says_which_two_heads_are_shown(served, open_page, site):
    page = open_page(served + PAIR)
    assert [name.split()[0] for name in shown(page)] == ["L1.H2", "L0.H1"]
    chosen = page.locator("#choose select").evaluate_all("(all) => all.map((one) => one.value)")
    assert chosen == ["demo-clip", "L1.H2", "other+clip", "L0.H1"]
    assert page.complaints == []
    assert page.title().startswith("L1.H2 of demo-clip and L0.H1 of other+clip")


def test_what_is_shown_is_what_the_records_say(served, open_page, site):
    page = open_page(served + PAIR)
    shown(page)
    first, second = head(site, "demo-clip", "L1.H2"), head(site, "other+clip", "L0.H1")
    at = [f"L{layer}.H{number}" for layer in range(2) for number in range(3)].index("L0.H1")
    cka = first["other_relatives"]["other+clip"]["cka"][at]
    assert f"CKA {cka:.2f} over 9 images" in page.locator(".similarity").inner_text()
    for side, record in enumerate((first, second)):
        texts = page.locator(".texts").nth(side)
        assert texts.locator("li > span:first-child").all_inner_texts() == [
            description["text"] for description in record["descriptions"]
        ]
        images = page.locator(".grid-of-images").nth(side).locator("img")
        sources = images.evaluate_all("(all) => all.map((image) => image.src)")
        names = [source.rpartition("/")[2] for source in sources]
        assert names == [f"{share['image']}.webp" for share in record["strongest"][:8]]
    ours, theirs = ({d["text"] for d in record["descriptions"]} for record in (first, second))
    marked = page.locator(".texts .both > span:first-child").all_inner_texts()
    assert sorted(marked) == sorted(2 * list(ours & theirs))


def test_the_nearest_heads_can_be_set_beside_the_first_one(served, open_page, site):
    page = open_page(served + PAIR)
    shown(page)
    nearest = head(site, "demo-clip", "L1.H2")["other_relatives"]["other+clip"]["by_cka"]
    links = page.locator("#pair > .chips a")
    assert links.all_inner_texts() == [relative["head"] for relative in nearest]
    links.last.click()
    page.locator(".pair .name >> nth=1", has_text=nearest[-1]["head"]).wait_for()


def test_a_head_beside_itself_has_everything_in_common(served, open_page):
    page = open_page(served + f"{PAGE}#a=demo-clip/L1.H2&b=demo-clip/L1.H2")
    shown(page)
    text = page.locator(".similarity").inner_text()
    assert text.startswith("CKA 1.00 ")
    assert "overlap by 100%" in text
    assert page.locator(".texts li:not(.both)").count() == 0


def test_choosing_heads_changes_the_address_and_back_and_forward_follow(served, open_page):
    page = open_page(served + PAIR)
    shown(page)
    page.locator("[name=a-head]").select_option("L0.H0")
    page.wait_for_url(re.compile("#a=demo-clip/L0.H0&b="))
    page.locator(".name", has_text="L0.H0").wait_for()
    page.get_by_role("button", name="Exchange").click()
    page.wait_for_url(re.compile("#a=other%2Bclip/L0.H1&b=demo-clip/L0.H0$"))
    page.locator(".pair .name >> nth=1", has_text="L0.H0").wait_for()
    page.go_back()
    page.locator(".pair .name >> nth=0", has_text="L0.H0").wait_for()
    page.go_back()
    page.locator(".pair .name >> nth=0", has_text="L1.H2").wait_for()
    page.go_forward()
    page.locator(".pair .name >> nth=0", has_text="L0.H0").wait_for()


def test_a_link_to_a_section_leaves_the_pair_as_it_is(served, open_page):
    page = open_page(served + PAIR)
    names = shown(page)
    page.get_by_role("navigation", name="On this page").get_by_role("link").last.click()
    page.wait_for_url(re.compile("#cite$"))
    assert shown(page) == names
    page.go_back()
    page.go_back()
    page.go_forward()
    assert shown(page) == names


def test_heads_are_chosen_by_keyboard_alone(served, open_page):
    page = open_page(served + PAGE)
    page.locator("#choose:not([hidden])").wait_for()
    page.locator("[name=b-head]").focus()
    page.keyboard.press("ArrowDown")
    page.locator(".pair").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "exchange"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("&b=demo-clip/L0.H0$"))


@pytest.mark.parametrize(
    ("fragment", "fault"),
    [
        ("#a=demo-clip/L9.H9&b=demo-clip/L0.H0", "demo-clip has no head “L9.H9” here"),
        ("#a=demo-clip/L0.H0&b=nobody/L0.H0", "This atlas has no model “nobody”"),
        ("#a=demo-clip/L0.H0", "This atlas has no model “”"),
        ("#a=demo-clip&b=demo-clip/L0.H0", "demo-clip has no head “” here"),
        ("#a=%3Cb%3E/x&b=demo-clip/L0.H0", "This atlas has no model “<b>”"),
    ],
)
def test_a_head_that_does_not_exist_is_named(served, open_page, fragment, fault):
    page = open_page(served + PAGE + fragment)
    page.locator("#problem:not([hidden])").wait_for()
    assert fault in page.locator("#problem").inner_text()
    assert page.locator(".pair").count() == 0
    assert page.complaints == []


def test_a_head_that_cannot_be_loaded_is_said_and_can_be_tried_again(served, open_page):
    page = open_page(served + PAGE)
    page.locator("#choose:not([hidden])").wait_for()
    page.route("**/L1.H2/head.json", lambda route: route.abort())
    page.evaluate("location.hash = '#a=demo-clip/L1.H2&b=demo-clip/L0.H0'")
    page.locator("#problem", has_text="could not be loaded").wait_for()
    page.unroute("**/L1.H2/head.json")
    page.evaluate("location.hash = '#a=demo-clip/L0.H0&b=demo-clip/L1.H2'")
    assert [name.split()[0] for name in shown(page)] == ["L0.H0", "L1.H2"]
    assert page.locator("#problem").is_hidden()


def test_a_pair_of_the_lists_is_shown_where_it_is_seen(served, open_page):
    page = open_page(served + PAGE)
    page.locator("#choose:not([hidden])").wait_for()
    link = page.locator("table.pairs").get_by_role("link", name="side by side").first
    wanted = unquote(link.get_attribute("href"))
    link.click()
    names = shown(page)
    assert [name.split()[0] for name in names] == [
        part.rpartition("/")[2] for part in wanted.split("&")
    ]
    assert page.locator("#choose").evaluate("(form) => form.getBoundingClientRect().top") < 800


def test_from_the_page_of_a_head_to_a_relative_beside_it(served, open_page):
    page = open_page(served + "demo-clip/L1.H2/index.html")
    page.locator("#relatives").get_by_role("link", name="side by side").first.click()
    assert shown(page)[0].split()[0] == "L1.H2"


def test_without_scripts_the_lists_lead_to_the_heads(site, open_page):
    page = open_page(site.as_uri() + "/" + PAGE, java_script_enabled=False)
    assert page.locator("#choose").is_hidden()
    assert "needs JavaScript" in page.locator("#needs-script").inner_text()
    page.locator("table.pairs").last.get_by_role("link", name="of other+clip").first.click()
    assert "other%2Bclip" in page.url or "other+clip" in page.url
    assert page.locator("h1").count() == 1


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (390, "dark"), (1280, "light")])
def test_a_pair_fits_its_screen_and_shuts_out_no_reader(served, open_page, axe, width, scheme):
    page = open_page(
        served + PAIR,
        viewport={"width": width, "height": 844},
        color_scheme=scheme,
        bypass_csp=True,
    )
    shown(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page, axe) == []


def test_the_page_of_a_head_with_relatives_elsewhere_shuts_out_no_reader(served, open_page, axe):
    page = open_page(served + "demo-clip/L1.H2/index.html", bypass_csp=True)
    assert violations(page, axe) == []
