"""Finding a head: the finder sorts, filters and plots, the index filters, and the address tells."""

import json
import re
from urllib.parse import urlsplit

import pytest

FINDER = "demo-clip/finder/index.html"
INDEX = "heads/index.html"
MODEL = "demo-clip/index.html"


@pytest.fixture
def open_page(browser):
    contexts = []

    def open_it(address, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(address, wait_until="load")
        return page

    yield open_it
    for context in contexts:
        context.close()


@pytest.fixture(params=["served", "from disk"])
def root(request, served, site):
    return served if request.param == "served" else site.as_uri() + "/"


def rows(page):
    return page.locator("table.finder tbody tr").evaluate_all(
        "(rows) => rows.filter((row) => !row.hidden)"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )


def column(page, key):
    index = page.locator(f"table.finder th[data-key={key}]").evaluate("(th) => th.cellIndex")
    return [row[index] for row in rows(page)]


def numbers(texts):
    return [float(text.replace("−", "-")) for text in texts]


def state(page):
    return urlsplit(page.url).fragment


def test_a_column_is_sorted_either_way_with_ranks_and_the_address_tells_it(root, open_page):
    page = open_page(root + FINDER)
    shares = numbers(column(page, "variance"))
    assert shares == sorted(shares, reverse=True)
    heading = page.locator("th[data-key=mean]")
    heading.get_by_role("button").click()
    means = numbers(column(page, "mean"))
    assert means == sorted(means, reverse=True)
    assert [int(row[0]) for row in rows(page)] == [
        1 + sum(other > mean for other in means) for mean in means
    ]
    assert heading.get_attribute("aria-sort") == "descending"
    assert state(page) == "sort=mean"
    heading.get_by_role("button").click()
    assert numbers(column(page, "mean")) == means[::-1]
    assert heading.get_attribute("aria-sort") == "ascending"
    again = open_page(page.url)
    assert column(again, "head") == column(page, "head")
    assert page.complaints == again.complaints == []


def test_heads_without_a_number_come_last_in_either_direction(served, open_page):
    for order in ("confidence", "-confidence"):
        shown = column(open_page(f"{served}{FINDER}#sort={order}"), "confidence")
        missing = [text == "–" for text in shown]
        assert any(missing)
        assert missing == sorted(missing)


def test_heads_are_sorted_by_layer_and_number_not_as_text(served, open_page):
    page = open_page(f"{served}{FINDER}#sort=head")
    found = [tuple(map(int, re.findall(r"\d+", text))) for text in column(page, "head")]
    assert found == sorted(found)


def test_the_table_is_filtered_by_head_and_label(root, open_page):
    page = open_page(root + FINDER)
    page.get_by_label("Filter by head or label").fill("L1.H")
    assert {text[:4] for text in column(page, "head")} == {"L1.H"}
    assert page.locator(".filter-box output").inner_text() == "6 of 12 heads"
    again = open_page(page.url)
    assert column(again, "head") == column(page, "head")


def test_the_plot_as_it_comes_is_the_one_that_the_script_draws(served, open_page, site):
    def circles(page):
        return page.locator(".scatter a").evaluate_all(
            "(links) => links.map((link) => [link.getAttribute('href'), "
            "link.firstChild.getAttribute('cx'), link.firstChild.getAttribute('cy')])"
        )

    def ticks(page):
        return page.locator(".scatter .ticks text").all_text_contents()

    static = open_page(served + FINDER, java_script_enabled=False)
    drawn = open_page(served + FINDER)
    for one, other in zip(circles(static), circles(drawn), strict=True):
        assert one[0] == other[0]
        assert [float(n) for n in one[1:]] == pytest.approx([float(n) for n in other[1:]], abs=0.11)
    assert ticks(static) == ticks(drawn)


def test_any_two_numbers_are_plotted_and_a_point_tells_its_own(root, open_page):
    page = open_page(root + FINDER)
    page.get_by_label("Across").select_option("mean")
    page.get_by_label("Up").select_option("effect-blur")
    assert state(page) == "across=mean&up=effect-blur"
    point = page.locator(".scatter a[href*='L1.H3']")
    head = next(row for row in rows(page) if row[1] == "L1.H3")
    values = dict(zip(column(page, "head"), column(page, "mean"), strict=True))
    point.focus()
    told = page.locator(".readout").inner_text()
    assert "L1.H3" in told
    assert f"mean share {values['L1.H3']}%" in told
    larger = sum(n > numbers([values["L1.H3"]])[0] for n in numbers(values.values()))
    assert f"rank {larger + 1} of {len(values)}" in told
    assert head
    # A head further to the right has the larger number.
    at = page.locator(".scatter a").evaluate_all(
        "(links) => links.map((link) => [link.getAttribute('href').split('/')[1], "
        "Number(link.firstChild.getAttribute('cx'))])"
    )
    from_left = [numbers([values[name]])[0] for name, _ in sorted(at, key=lambda pair: pair[1])]
    assert from_left == sorted(from_left)
    point.press("Enter")
    page.wait_for_url("**/L1.H3/index.html")


def test_a_head_without_a_number_is_not_in_the_plot(served, open_page):
    page = open_page(f"{served}{FINDER}#up=confidence")
    unlabelled = [
        head
        for head, c in zip(column(page, "head"), column(page, "confidence"), strict=True)
        if c == "–"
    ]
    hidden = page.locator(".scatter a[visibility=hidden]").evaluate_all(
        "(links) => links.map((link) => link.getAttribute('href').split('/')[1])"
    )
    assert sorted(hidden) == sorted(unlabelled)
    page.get_by_label("Up").select_option("variance")
    assert page.locator(".scatter a[visibility=hidden]").count() == 0


def test_without_a_script_the_finder_is_a_table_and_a_plot(served, open_page):
    page = open_page(served + FINDER, java_script_enabled=False)
    assert len(rows(page)) == 12
    assert not page.get_by_label("Filter by head or label").is_visible()
    assert page.locator(".scatter circle").count() == 12


def test_the_index_is_filtered_by_label_and_by_every_description(root, open_page, site):
    page = open_page(root + INDEX)
    box = page.get_by_label("Filter by head, label or description")
    box.fill("demo-clip nowhere")
    assert page.locator(".index li:visible").count() == 0
    script = (site / "heads" / "texts.js").read_text()
    content = json.loads(script.removeprefix("window.filterTexts = ").removesuffix(";\n"))
    texts = [[content["texts"][number] for number in row] for row in content["items"]]
    words = "plain ground <3>"  # of no first description
    having = [row for row in texts if all(word in "\n".join(row) for word in words.split())]
    box.fill(words)
    page.locator(".because").first.wait_for()
    shown = page.locator(".index li:visible")
    assert 0 < shown.count() == len(having) < len(texts)
    told = page.locator(".because").all_inner_texts()
    assert all(any(word in text for word in words.split()) for text in told)
    assert page.locator(".filter-box output").inner_text().startswith(f"{len(having)} of ")
    again = open_page(page.url)
    again.locator(".because").first.wait_for()
    assert again.locator(".index li:visible").count() == len(having)
    assert page.complaints == []


def test_the_index_folds_case_and_finds_ids(served, open_page):
    page = open_page(served + INDEX)
    page.get_by_label("Filter by head, label or description").fill("l1.h3")
    ids = page.locator(".index li:visible > a").all_inner_texts()
    assert "L1.H3" in ids
    assert all(text.startswith("L1.H3") for text in ids)


@pytest.mark.parametrize("scripts", [True, False])
def test_the_grid_is_coloured_by_a_number_with_or_without_scripts(served, open_page, scripts):
    page = open_page(served + MODEL, java_script_enabled=scripts)

    def colours():
        return page.locator("td.head").evaluate_all(
            "(cells) => cells.map((cell) => getComputedStyle(cell).backgroundColor)"
        )

    before = colours()
    page.get_by_role("combobox").select_option("variance")
    after = colours()
    assert before != after
    steps = page.locator("td.head").evaluate_all(
        "(cells) => cells.map((cell) => cell.className.match(/ka\\d/)[0])"
    )
    shown = set(zip(steps, after, strict=True))
    assert len(shown) == len(set(steps)) == len(set(after)) > 1
    assert page.locator(".scale:visible").count() == 1


def test_what_is_chosen_on_a_models_page_stands_in_its_address(root, open_page):
    page = open_page(root + MODEL)
    page.get_by_role("combobox").select_option("effect-grey")
    chosen = page.locator(".filter input").nth(1)
    chosen.check()
    assert state(page) == f"colour=effect-grey&property={chosen.get_attribute('value')}"
    again = open_page(page.url)
    assert again.get_by_role("combobox").input_value() == "effect-grey"
    assert again.locator(".filter input").nth(1).is_checked()
    page.locator(".filter input").first.check()
    assert state(page) == "colour=effect-grey"
