"""How the search page looks: nothing jumps, all can be read, and it says what it needs."""

import pytest
from search_answers import OWN_TEXT, answered, number, python_answers
from synthetic_search import TEXTS


def test_without_scripts_or_webassembly_the_page_says_what_it_needs(visit):
    page = visit(java_script_enabled=False)
    assert page.locator("#needs-script").is_visible()
    assert not page.locator("#ask").is_visible()
    page = visit(script="delete globalThis.WebAssembly;")
    assert page.locator("#needs-wasm").is_visible()
    assert not page.locator("#needs-script").is_visible()
    page.locator("#needs-wasm").get_by_role("link", name="demo-clip").click()
    assert page.locator("h1").inner_text() == "demo-clip"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(visit, search_atlas, scheme):
    page = visit(
        f"#text={TEXTS[0]}&image={python_answers(search_atlas).images[0]}",
        viewport={"width": 390, "height": 844},
        color_scheme=scheme,
    )
    answered(page, "maps", "text-neighbours")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("question", ["", f"#text={TEXTS[0]}", f"#text={OWN_TEXT}"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_jumps_while_the_page_loads_and_answers(visit, question, width):
    page = visit(
        question,
        viewport={"width": width, "height": 800},
        script="""window.moved = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) {
            if (!entry.hadRecentInput) window.moved += entry.value;
          }
        }).observe({ type: 'layout-shift', buffered: true });""",
    )
    if question:
        answered(page, "answering", "text-neighbours")
    else:
        page.locator("#ask").wait_for()
    page.wait_for_timeout(500)
    assert page.evaluate("window.moved") < 0.02


def _contrast(page, cells):
    """The lowest contrast of a cell's text with its ground, by WCAG's formula."""
    return page.locator(cells).evaluate_all(
        """(all) => {
          const context = document.createElement("canvas").getContext("2d");
          const luminance = (colours) => {
            context.clearRect(0, 0, 1, 1);
            for (const colour of colours) {
              context.fillStyle = colour;
              context.fillRect(0, 0, 1, 1);
            }
            const [red, green, blue] = [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)]
              .map((level) => level / 255)
              .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
            return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
          };
          const paper = getComputedStyle(document.body).backgroundColor;
          const contrasts = all.map((cell) => {
            const text = cell.querySelector("a");
            let opacity = 1;
            for (let at = text; at; at = at.parentElement) opacity *= getComputedStyle(at).opacity;
            if (opacity !== 1) return 0;
            const ground = luminance([paper, getComputedStyle(cell).backgroundColor]);
            const ink = luminance([getComputedStyle(text).color]);
            return (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05);
          });
          return Math.min(...contrasts);
        }"""
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("heads", ["", "&heads=L1.H1"])
def test_every_cell_of_a_grid_of_answers_can_be_read(visit, search_atlas, scheme, heads):
    image = python_answers(search_atlas).images[0]
    page = visit(f"#text={TEXTS[0]}&image={image}{heads}", color_scheme=scheme)
    answered(page, "answering", "image-heads")
    page.wait_for_timeout(300)
    assert _contrast(page, ".score-grid td.head") >= 4.5
    regions = page.locator("#results [role=region]")
    names = regions.evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")
    assert len(names) == len(set(names)) == 2


def test_warm_is_towards_and_cool_is_away_in_grids_as_in_maps(visit, search_atlas):
    page = visit(f"#image={python_answers(search_atlas).images[0]}")
    answered(page, "image-heads")
    page.wait_for_timeout(300)
    redder = page.locator("#image-heads td.head").evaluate_all(
        """(all) => all.map((cell) => {
          const context = document.createElement("canvas").getContext("2d");
          context.fillStyle = getComputedStyle(cell).backgroundColor;
          context.fillRect(0, 0, 1, 1);
          const [red, , blue] = context.getImageData(0, 0, 1, 1).data;
          return [cell.querySelector(".value").textContent, red - blue];
        })"""
    )
    values = sorted((number(written), red) for written, red in redder)
    assert values[0][0] < 0 < values[-1][0]
    assert values[0][1] < values[-1][1]
    assert [red for _, red in values] == sorted(red for _, red in values)


def test_how_fast_it_is_can_be_measured(visit):
    page = visit()
    page.get_by_role("button", name="Measure").click()
    said = page.locator("#measured").filter(has_text="median of 30")
    said.wait_for(timeout=60_000)
    assert "6 heads of demo-clip" in said.inner_text()
    assert "for the text encoder" in said.inner_text()
