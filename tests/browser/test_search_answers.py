"""What the search page answers equals what Python answers from the same files.

Python's answers come by onnxruntime, open_clip's tokenizer and transform, and
`clipheads.maths.neighbours`.
"""

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from search_answers import (
    OWN_TEXT,
    answered,
    drop,
    number,
    python_answers,
    same_map,
    same_strip,
    same_text_neighbours,
    strip,
)
from synthetic_search import GRID, TEXTS, read_rows

from clipheads.maths.heat_maps import contrast_map, topic_map
from clipheads.maths.neighbours import nearest, text_neighbours, top_k


@pytest.mark.parametrize("text", [OWN_TEXT, TEXTS[0]])
def test_neighbours_of_a_text_in_every_head(visit, search_atlas, text):
    page = visit()
    page.get_by_role("combobox", name="Text", exact=True).fill(text)
    page.get_by_role("button", name="Search", exact=True).click()
    answered(page, "answering", "text-neighbours")
    python = python_answers(search_atlas)
    query = python.query(text)
    shares = python.text_shares(python.embed(text))
    for head, name in enumerate(python.record.heads):
        places, scores = text_neighbours(python.coordinates[:, head], query[head][None])
        row = page.locator(f"#text-neighbours li[data-head='{name}']")
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())
        cell = page.locator(f"#answering td[data-head='{name}']")
        assert number(cell.locator(".value").inner_text()) == pytest.approx(
            100 * shares[head], abs=0.051
        )
        assert ("below" in cell.get_attribute("class").split()) == (shares[head] < 0)
    shown = page.locator("#text-neighbours li[data-head]")
    order = [row.get_attribute("data-head") for row in shown.all()]
    assert order == python.heads_by(shares)
    rest = page.locator("#answering .sum").inner_text()
    said = [number(part) for part in re.findall(r"make ([+\u2212]?[\d.]+)%", rest)]
    assert said == pytest.approx([100 * sum(shares), 100 - 100 * sum(shares)], abs=0.051)
    assert page.complaints == []


def test_all_that_an_image_of_ones_own_is_asked(visit, search_atlas, photograph):
    page = visit()
    page.get_by_label("Your own image").set_input_files(photograph)
    answered(page, "image-heads", "image-neighbours", "property-neighbours")
    python = python_answers(search_atlas)
    own = python.encode(photograph)
    mean = np.array([head.mean_share for head in python.model.heads])
    shares = (own["contributions"] @ own["embedding"]).numpy()
    for head, name in enumerate(python.record.heads):
        row = page.locator(f"#image-neighbours li[data-head='{name}']")
        same_strip(row, *python.nearest_to(own["coordinates"], head))
        cell = page.locator(f"#image-heads td[data-head='{name}'] .value").inner_text()
        excess = number(cell) / 100
        assert excess == pytest.approx(shares[head] - mean[head], abs=0.00051)
    for each in python.record.properties:
        bearers = [python.record.heads.index(head) for head in each.heads]
        asked = own["contributions"][bearers].mean(dim=0)
        rows, _ = read_rows(python.folder / f"{each.file}.bin")
        cosines = torch.nn.functional.cosine_similarity(
            torch.tensor(rows[:, 0], dtype=torch.float32), asked[None]
        )
        places, scores = top_k(cosines[None], 4)
        row = page.locator(f"#property-neighbours li[data-property='{each.slug}']")
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())
    assert python.record.properties
    assert page.complaints == []


def test_heat_maps_of_a_text_and_of_two_texts_on_an_image_of_ones_own(
    visit, search_atlas, photograph
):
    page = visit(f"#text={TEXTS[1]}&minus={OWN_TEXT}")
    answered(page, "answering")
    page.get_by_label("Your own image").set_input_files(photograph)
    answered(page, "maps", "contrast")
    python = python_answers(search_atlas)
    patches = python.encode(photograph)["patches"]
    first, second = python.query(TEXTS[1]), python.query(OWN_TEXT)
    for head, name in enumerate(python.record.heads):
        figure = page.locator(f"#maps figure[data-head='{name}']")
        shown = topic_map(patches[head], first[head] - second[head], GRID)
        same_map(figure.locator("canvas.map"), shown)
    same_map(page.locator("#contrast canvas.map"), contrast_map(patches, first, second, GRID))
    # In full colour: many heads respond to colours.
    picture = "#maps .thumb > :first-child, #contrast .thumb > :first-child"
    assert {
        one.evaluate("it => getComputedStyle(it).filter") for one in page.locator(picture).all()
    } == {"none"}
    assert page.complaints == []


def test_an_image_of_the_gallery_is_chosen_and_is_no_neighbour_of_its_own(visit, search_atlas):
    page = visit()
    page.get_by_text("From the gallery").click()
    python = python_answers(search_atlas)
    chosen = python.images[3]
    page.locator(f"#gallery button[data-image='{chosen}']").click()
    answered(page, "image-neighbours")
    for head, name in enumerate(python.record.heads):
        places, scores = nearest(python.coordinates[:, head], 8, torch.tensor([3]))
        row = page.locator(f"#image-neighbours li[data-head='{name}']")
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())
        assert chosen not in strip(row)[0]


def test_one_head_and_the_heads_of_a_property(visit, search_atlas):
    python = python_answers(search_atlas)
    bearers = python.record.properties[0]
    page = visit(f"#text={TEXTS[0]}&heads=property:{bearers.slug}")
    answered(page, "text-neighbours")
    shown = page.locator("#text-neighbours li[data-head]")
    assert {row.get_attribute("data-head") for row in shown.all()} == set(bearers.heads)
    page.get_by_label("Heads", exact=True).select_option(python.record.heads[2])
    page.wait_for_url(f"**heads={python.record.heads[2]}**")
    page.locator("#text-neighbours li[data-head]").nth(1).wait_for(state="detached")
    assert shown.count() == 1
    assert shown.get_attribute("data-head") == python.record.heads[2]


def test_the_whole_model_is_asked_too(visit, search_atlas, photograph):
    page = visit(f"#text={TEXTS[0]}")
    answered(page, "text-neighbours")
    page.get_by_label("Your own image").set_input_files(photograph)
    answered(page, "image-neighbours")
    python = python_answers(search_atlas)
    images = torch.tensor(read_rows(python.folder / "embeddings.bin")[0][:, 0])
    text = torch.tensor(read_rows(python.folder / "texts.bin")[0][0, 0])
    own = python.encode(photograph)["embedding"].double()
    for section, asked in (("text-neighbours", text), ("image-neighbours", own)):
        places, scores = top_k((images @ asked)[None], 8)
        row = page.locator(f"#{section} .whole li").first
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())


def test_a_second_text_is_taken_away_from_the_first_without_an_image_too(visit, search_atlas):
    page = visit(f"#text={TEXTS[0]}&minus={TEXTS[1]}")
    answered(page, "answering", "text-neighbours")
    python = python_answers(search_atlas)
    between = python.embed(TEXTS[0]) - python.embed(TEXTS[1])
    shares = python.text_shares(between)
    query = python.query(TEXTS[0]) - python.query(TEXTS[1])
    length = float(np.linalg.norm(between))
    for head, name in enumerate(python.record.heads):
        cell = page.locator(f"#answering td[data-head='{name}'] .value").inner_text()
        assert number(cell) == pytest.approx(100 * shares[head], abs=0.051)
        row = page.locator(f"#text-neighbours li[data-head='{name}']")
        places, scores = text_neighbours(python.coordinates[:, head], query[head][None] / length)
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())
    assert f"vs \u201c{TEXTS[1]}\u201d" in page.locator("#answering h2").inner_text()


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (f"#minus={TEXTS[1]}", "Give a text too"),
        (f"#text={TEXTS[1]}&minus={TEXTS[1]}", "nothing between them"),
    ],
)
def test_a_second_text_with_nothing_to_take_it_from_is_said(visit, question, message):
    page = visit(question)
    page.get_by_role("alert").filter(has_text=message).wait_for()


def test_without_encoders_known_texts_and_the_gallery_are_searched(visit, search_atlas):
    python = python_answers(search_atlas, "plain")
    page = visit(f"#model=plain&text={TEXTS[2]}&image={python.images[1]}")
    answered(page, "maps", "text-neighbours", "image-neighbours", "property-neighbours")
    assert "image encoder" in page.locator("#maps").inner_text()
    assert page.locator("#maps canvas").count() == 0
    query = python.query(TEXTS[2])
    for head, name in enumerate(python.record.heads):
        places, scores = text_neighbours(python.coordinates[:, head], query[head][None])
        row = page.locator(f"#text-neighbours li[data-head='{name}']")
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())
    assert not page.locator("#own").is_visible()
    page.get_by_role("combobox", name="Text", exact=True).fill("something else")
    page.keyboard.press("Enter")
    page.get_by_role("alert").filter(has_text="not among the known texts").wait_for()


def test_two_models_of_one_shape_never_mix(visit, search_atlas):
    page = visit()
    held = []
    page.context.route("**/demo-clip/texts-*.json", lambda route: held.append(route))
    field = page.get_by_role("combobox", name="Text", exact=True)
    with page.expect_request("**/demo-clip/texts-*.json"):
        field.fill(TEXTS[1])
        field.press("Enter")
    page.get_by_label("Model").select_option("twin")
    link = page.locator("#text-neighbours li[data-head] h3 a").first
    link.wait_for()
    assert "/twin/" in link.evaluate("(link) => link.href")
    same_text_neighbours(page, python_answers(search_atlas, "twin"), TEXTS[1])
    for route in held:
        route.continue_()
    page.wait_for_timeout(300)
    page.get_by_label("Model").select_option("demo-clip")
    page.locator("#text-neighbours h3 a[href*='/demo-clip/']").first.wait_for()
    same_text_neighbours(page, python_answers(search_atlas, "demo-clip"), TEXTS[1])


def test_the_search_goes_on_after_its_worker_crashed(visit, search_atlas, photograph):
    page = visit(f"#text={TEXTS[0]}")
    answered(page, "text-neighbours")
    page.get_by_label("Your own image").set_input_files(photograph)
    answered(page, "image-neighbours")
    with page.expect_event("worker"):
        page.workers[0].evaluate("setTimeout(() => { throw new Error('crash'); })")
        page.wait_for_timeout(300)
        field = page.get_by_role("combobox", name="Text", exact=True)
        field.fill(TEXTS[1])
        field.press("Enter")
    page.locator("#text-neighbours h2").filter(has_text=TEXTS[1]).wait_for()
    answered(page, "maps", "text-neighbours", "image-neighbours")
    same_text_neighbours(page, python_answers(search_atlas), TEXTS[1])
    assert len(page.workers) == 1


def test_an_image_that_is_cropped_and_unlike_the_gallery_is_said(visit, search_atlas, photograph):
    page = visit()
    page.get_by_label("Your own image").set_input_files(photograph)
    answered(page, "image-neighbours")
    assert "390 \u00d7 512 pixels: the model sees no more" in page.locator("#preview").inner_text()
    python = python_answers(search_atlas)
    images = read_rows(python.folder / "embeddings.bin")[0][:, 0]
    own = python.encode(photograph)["embedding"].double().numpy()
    said = page.locator("#usual").inner_text()
    nearest_score, median, low = map(number, re.findall(r"\u2212?\d\.\d\d", said))
    among = images @ images.T - 2 * np.eye(len(images))
    best = np.sort(among.max(axis=1))
    assert nearest_score == pytest.approx((images @ own).max(), abs=0.0051)
    assert median == pytest.approx(best[len(best) // 2], abs=0.0051)
    assert low == pytest.approx(best[len(best) // 20], abs=0.0051)
    assert ("read the answers with care" in said) == (nearest_score < low)


def test_an_own_image_of_the_kind_of_the_gallery_gets_no_warning_of_a_crop(visit):
    page = visit()
    content = io.BytesIO()
    Image.effect_noise((40, 40), 80).convert("RGB").save(content, "PNG")
    drop(page, content.getvalue(), "dropped", "image/png")
    answered(page, "image-neighbours")
    assert page.locator("#preview figcaption span").inner_text() == "Your image"
