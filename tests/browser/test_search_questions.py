"""How a question is put to the search page, and how its address brings it back."""

import io
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from search_answers import OWN_TEXT, all_answers, answered, drop, python_answers
from synthetic_search import TEXTS


def test_an_address_brings_the_question_back_in_another_browser(visit, search_atlas):
    page = visit()
    image = python_answers(search_atlas).images[5]
    page.get_by_label("Model").select_option("demo-clip")
    page.get_by_role("combobox", name="Text", exact=True).fill(OWN_TEXT)
    page.keyboard.press("Enter")
    answered(page, "text-neighbours")
    page.get_by_text("From the gallery").click()
    page.locator(f"#gallery button[data-image='{image}']").click()
    answered(page, "maps", "image-neighbours")
    asked = urlsplit(page.url)
    assert parse_qs(asked.fragment)["text"] == [OWN_TEXT]
    other = visit(f"#{asked.fragment}")
    answered(other, "maps", "image-neighbours")
    assert other.get_by_role("combobox", name="Text", exact=True).input_value() == OWN_TEXT
    assert all_answers(other) == all_answers(page)
    assert len(all_answers(page)) > 500


def test_back_and_forward_go_through_the_questions(visit):
    page = visit(f"#text={TEXTS[0]}")
    answered(page, "text-neighbours")
    field = page.get_by_role("combobox", name="Text", exact=True)
    field.fill(TEXTS[1])
    page.keyboard.press("Enter")
    title = page.locator("#text-neighbours h2")
    title.filter(has_text=TEXTS[1]).wait_for()
    page.go_back()
    title.filter(has_text=TEXTS[0]).wait_for()
    assert field.input_value() == TEXTS[0]
    page.go_forward()
    title.filter(has_text=TEXTS[1]).wait_for()
    assert field.input_value() == TEXTS[1]


def test_an_address_with_an_image_of_ones_own_says_that_it_stayed_there(visit):
    page = visit(f"#text={TEXTS[0]}&image=own")
    page.get_by_role("alert").filter(has_text="stayed on its owner's computer").wait_for()
    page.locator("#text-neighbours").wait_for()


def test_an_address_of_an_earlier_version_opens_and_becomes_a_fragment(visit, searched):
    page = visit(f"?text={TEXTS[2].replace(' ', '+')}&heads=L1.H0")
    answered(page, "answering", "text-neighbours")
    assert urlsplit(page.url).query == ""
    assert parse_qs(urlsplit(page.url).fragment) == {"text": [TEXTS[2]], "heads": ["L1.H0"]}
    assert page.locator("#text-neighbours li[data-head]").count() == 1
    assert page.evaluate("history.length") == 2
    # With the service worker not even the first request has the question.
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_timeout(500)
    page.context.set_offline(True)
    page.goto(f"{searched}search/?text={TEXTS[2]}")
    answered(page, "text-neighbours")


def test_a_link_within_the_page_leaves_the_question_in_the_address(visit):
    page = visit(f"#text={TEXTS[0]}")
    answered(page, "answering", "text-neighbours")
    asked = page.url
    page.locator("#answering").evaluate("(section) => { section.dataset.mark = 'kept'; }")
    answers = page.get_by_role("navigation", name="Answers")
    answers.get_by_role("link", name="head by head").click()
    assert page.url == asked
    assert page.evaluate("document.activeElement.id") == "text-neighbours"
    assert page.locator("#text-neighbours").evaluate("(e) => e.getBoundingClientRect().top") < 100
    assert page.locator("#answering").get_attribute("data-mark") == "kept"


def test_answers_are_in_view_after_a_search_and_back_lands_where_they_were_left(visit):
    page = visit()
    field = page.get_by_role("combobox", name="Text", exact=True)
    field.fill(TEXTS[0])
    field.press("Enter")
    answered(page, "answering", "text-neighbours")
    page.wait_for_function("scrollY > 100")
    top = "() => document.querySelector('#results').getBoundingClientRect().top"
    assert -5 <= page.evaluate(top) < 100
    row = page.locator("#text-neighbours li[data-head] h3 a").nth(3)
    row.scroll_into_view_if_needed()
    page.wait_for_timeout(400)
    left = page.evaluate("scrollY")
    row.click()
    page.wait_for_url("**/demo-clip/**")
    page.go_back()
    answered(page, "answering", "text-neighbours")
    page.wait_for_function(f"Math.abs(scrollY - {left}) < 3")
    assert left < page.evaluate("document.documentElement.scrollHeight - innerHeight")


def test_the_title_names_the_question(visit, search_atlas):
    page = visit()
    usual = page.title()
    field = page.get_by_role("combobox", name="Text", exact=True)
    field.fill(TEXTS[0])
    field.press("Enter")
    answered(page, "text-neighbours")
    assert page.title() == f"\u201c{TEXTS[0]}\u201d \u00b7 {usual}"
    page.get_by_label("Heads", exact=True).select_option("L1.H1")
    page.wait_for_function("document.title.includes('L1.H1')")
    page.go_back()
    page.wait_for_function("!document.title.includes('L1.H1')")


def test_pages_of_heads_images_and_properties_lead_to_a_search_with_them(
    visit, search_atlas, searched
):
    python = python_answers(search_atlas)
    page = visit(f"#text={TEXTS[0]}")
    head, image = python.record.heads[1], python.images[4]
    page.goto(f"{searched}demo-clip/{head}/")
    page.get_by_role("link", name="Search with this head").click()
    page.locator("#ask").wait_for()
    assert page.get_by_label("Heads", exact=True).input_value() == head
    assert page.get_by_role("navigation", name="Site").locator("[aria-current]").inner_text() == (
        "Search"
    )
    page.goto(f"{searched}demo-clip/images/{image}/")
    page.get_by_role("link", name="Search with this image").click()
    answered(page, "image-neighbours")
    assert page.locator("[name=image]").input_value() == image
    bearers = python.record.properties[0]
    page.goto(f"{searched}demo-clip/properties/{bearers.slug}/")
    page.get_by_role("link", name="Search with th").click()
    page.locator("#ask").wait_for()
    assert page.get_by_label("Heads", exact=True).input_value() == f"property:{bearers.slug}"


def test_results_lead_to_the_pages_of_heads_and_images(visit):
    page = visit(f"#text={TEXTS[0]}")
    answered(page, "answering", "text-neighbours")
    targets = [
        page.locator("#answering td[data-head] a").first,
        page.locator("#text-neighbours h3 a").first,
        page.locator("#text-neighbours a.thumb").first,
    ]
    for target in targets:
        address = target.evaluate("(link) => link.href")
        assert page.request.get(address).ok, address


def test_known_texts_are_completed_by_keyboard(visit):
    page = visit()
    field = page.get_by_role("combobox", name="Text", exact=True)
    field.press_sequentially("bo")
    options = page.get_by_role("listbox", name="Known texts").first.get_by_role("option")
    options.first.wait_for()
    assert field.get_attribute("aria-expanded") == "true"
    assert options.all_inner_texts() == ["boat", "a picture of a boat"]
    field.fill("oat")
    page.wait_for_timeout(300)
    assert options.count() == 0
    field.fill("bo")
    options.first.wait_for()
    field.press("ArrowDown")
    field.press("ArrowDown")
    active = page.locator(f"#{field.get_attribute('aria-activedescendant')}")
    assert active.inner_text() == "a picture of a boat"
    assert active.get_attribute("aria-selected") == "true"
    field.press("Enter")
    answered(page, "text-neighbours")
    assert field.input_value() == "a picture of a boat"
    assert field.get_attribute("aria-expanded") == "false"
    said = page.get_by_role("status").inner_text()
    assert "a picture of a boat" in said


@pytest.mark.parametrize("name", ["dropped", "pasted"])
def test_an_image_is_dropped_or_pasted(visit, name):
    page = visit()
    content = io.BytesIO()
    Image.effect_noise((50, 40), 80).convert("RGB").save(content, "PNG")
    drop(page, content.getvalue(), name, "image/png")
    answered(page, "image-neighbours")
    assert page.locator("#preview canvas").is_visible()
    assert "image=own" in page.url


REFUSED = {
    "no image": (b"words", "text/plain", "is not an image"),
    "corrupt": (b"\x89PNG\r\n\x1a\n" + bytes(200), "image/png", "cannot be read as an image"),
    "unknown": (bytes(500), "", "cannot be read as an image"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_is_no_image_is_refused_in_a_sentence(visit, kind):
    content, media_type, message = REFUSED[kind]
    page = visit()
    drop(page, content, "file", media_type)
    page.get_by_role("alert").filter(has_text=message).wait_for()
    assert page.locator("#results > section").count() == 0
    page.get_by_role("combobox", name="Text", exact=True).fill(TEXTS[0])
    page.keyboard.press("Enter")
    answered(page, "text-neighbours")


def test_an_oversized_file_and_an_oversized_picture_are_refused(visit, tmp_path):
    page = visit()
    large = tmp_path / "large.png"
    large.write_bytes(bytes(31_000_000))
    page.get_by_label("Your own image").set_input_files(large)
    page.get_by_role("alert").filter(has_text="31 MB").wait_for()
    wide = tmp_path / "wide.png"
    Image.new("1", (9000, 6000)).save(wide)
    page.get_by_label("Your own image").set_input_files(wide)
    page.get_by_role("alert").filter(has_text="9000").wait_for()
