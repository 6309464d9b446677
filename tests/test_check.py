"""The checker finds what is broken, what a parser calls an error, and slips that one forgives."""

from pathlib import Path

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipheads.bundle.errors import AtlasError
from headatlas.publish.check import TOGETHER, check_site
from headatlas.publish.html_rules import read_page

PAGE = '<!doctype html>\n<html lang="en"><head><title>Page</title></head><body>{}</body></html>\n'


def site(folder, body="", **files):
    (folder / "index.html").write_text(PAGE.format(body), "utf-8")
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return [problem.message for problem in check_site(folder)]


def test_a_sound_site_has_no_problems(tmp_path):
    body = (
        '<p id="top">Fish &amp; chips &lt; 3 &#163;</p><img src="a.svg" alt="">'
        '<a href="sub/">folder</a> <a href="sub/index.html#here">place</a> <a href="#top">up</a>'
        '<a href="https://example.org/nowhere">elsewhere</a>'
        '<math><mrow><mspace width="1em"/><mi>x</mi></mrow></math>'
    )
    sub = PAGE.format('<p id="here">Back <a href="../index.html">home</a></p>')
    style = "body { background: url(a.svg) }"
    assert site(tmp_path, body, sub__index_html=sub, a_svg="<svg/>", s_css=style) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('<a href="gone.html">x</a>', "gone.html, which does not exist"),
        ('<a href="Index.html">x</a>', "Index.html, which does not exist"),
        ('<a href="gone/">x</a>', "gone/, which does not exist"),
        ('<a href="#nowhere">x</a>', "no anchor #nowhere"),
        ('<a href="../index.html">x</a>', "leaves the site"),
        ('<img src="gone.webp" alt="">', "gone.webp, which does not exist"),
        ('<img src="index.html" srcset="gone.webp 2x" alt="">', "gone.webp, which does not exist"),
        ('<img src="https://example.org/x.png" alt="">', "from another host"),
        ('<script src="//example.org/x.js"></script>', "from another host"),
        ('<img src="index.html">', "no alt text"),
        ('<p id="a">x</p><p id="a">y</p>', "'a' is given twice"),
        ('<p style="color: red">x</p>', "inline"),
        ("<script>alert(1)</script>", "inline"),
        ("<style>p { color: red; }</style>", "inline"),
    ],
)
def test_each_kind_of_breakage_is_found(tmp_path, body, expected):
    messages = site(tmp_path, body)
    assert len(messages) == 1
    assert expected in messages[0]


@pytest.mark.parametrize(
    "body",
    [
        "<p>one<div>two</div></p>",
        "<ul><li>one</ul></li>",
        "<b><i>crossed</b></i>",
        "<div>never closed",
        "</span>",
        "<br></br>",
        "<div/>text</div>",
        "<p class=a class=b>x</p>",
        "<a href='#'>x<a href='#'>y</a></a>",
        "<table><tr><td>x</td></tr><p>y</p></table>",
        "<table><tbody><td>x</td></tbody></table>",
        "1 < 2",
        "a &nosuch b",
        "a &copy b",
        '<p title="a"b="c">x</p>',
        "<p></p></body></html><p>after</p>",
    ],
)
def test_what_an_html_parser_calls_an_error_is_a_problem(body):
    text = PAGE.format(body)
    with pytest.raises(html5lib.html5parser.ParseError):
        html5lib.HTMLParser(strict=True).parse(text)
    assert read_page(text).problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PAGE.format("").replace("<!doctype html>", ""), "DOCTYPE"),
        (PAGE.format("").replace("<title>Page</title>", ""), "no <title>"),
        (PAGE.format("").replace(' lang="en"', ""), "language"),
        (PAGE.format("<blink>x</blink>"), "not an element"),
        (PAGE.format("<ul><p>x</p></ul>"), "directly inside <ul>"),
        (PAGE.format("<p>one<p>two</p>"), "2 <p>, but 1 </p>"),
        (PAGE.format("<ul><li>one<li>two</ul>"), "2 <li>, but 0 </li>"),
        (PAGE.format("<table><tr><td>x</td></tr></table>"), "1 <tbody>, but 0 </tbody>"),
        (PAGE.format("<li>x</li>"), "<li> inside <body>"),
        (PAGE.format("Fish & chips"), "bare &"),
        (PAGE.format('<a href="?a=1&b=2">x</a>'), "bare &"),
        (PAGE.format("<table>text</table>"), "text directly inside <table>"),
    ],
)
def test_what_a_parser_forgives_is_a_problem_too(text, expected):
    assert any(expected in problem for problem in read_page(text).problems)


def test_problems_name_the_line():
    assert read_page(PAGE.format("\n\n</b>")).problems == [
        "line 4: Unexpected end tag (b). Ignored."
    ]


def test_many_pages_are_read_by_several_processes(tmp_path):
    for number in range(TOGETHER + 1):
        body = f'<a href="{number - 1}.html">before</a>' if number else "<blink>first</blink>"
        (tmp_path / f"{number}.html").write_text(PAGE.format(body), "utf-8")
    site(tmp_path)
    assert [(problem.page, problem.message) for problem in check_site(tmp_path)] == [
        ("0.html", "line 2: <blink> is not an element of HTML")
    ]


def test_stylesheets_and_json_are_read(tmp_path):
    messages = site(tmp_path, s_css='@import "t.css"; a { b: url("gone.svg") }', d_json="{")
    assert len(messages) == 3
    assert any("gone.svg" in message for message in messages)
    assert any("t.css" in message for message in messages)
    assert any("not JSON" in message for message in messages)


def test_a_page_that_weighs_too_much_is_named(tmp_path):
    site(tmp_path, "<p>" + "x" * 3000 + "</p>")
    assert check_site(tmp_path) == []
    (problem,) = check_site(tmp_path, page_limit=2000)
    assert problem.page == "index.html"
    assert "weighs 3 kB" in problem.message


@pytest.mark.parametrize("address", ["http://[", "//[x", "http://a]b/"])
def test_an_address_that_is_none_is_a_problem(tmp_path, address):
    (message,) = site(tmp_path, f'<p><a href="{address}">x</a></p>')
    assert "which is no address" in message


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.css", b"a { color: \xff }", "is not UTF-8"),
        ("a.json", b"\xff", "is not UTF-8"),
        ("a.html", b"\xff", "is not UTF-8"),
        ("a.json", b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_damaged_file_is_a_problem(tmp_path, name, content, expected):
    site(tmp_path)
    (tmp_path / name).write_bytes(content)
    (problem,) = check_site(tmp_path)
    assert (problem.page, expected in problem.message) == (name, True)


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path, monkeypatch):
    site(tmp_path, s_css="")
    read = Path.read_bytes

    def refuse(path):
        if path.suffix == ".css":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    (problem,) = check_site(tmp_path)
    assert (problem.page, problem.message) == ("s.css", "cannot be read (Permission denied)")


@pytest.mark.parametrize("address", ["https://[", "https://x.org/a&quot;b/", "https://x.org"])
def test_any_canonical_address_is_read(tmp_path, address):
    site(tmp_path)
    home = tmp_path / "index.html"
    link = f'<link rel="canonical" href="{address}"></head>'
    home.write_text(home.read_text().replace("</head>", link, 1))
    assert all("address" in problem.message for problem in check_site(tmp_path))


def test_hidden_files_are_no_part_of_the_site(tmp_path):
    site(tmp_path)
    (tmp_path / ".head-atlas.json").write_text("{")
    assert check_site(tmp_path) == []


@given(content=st.binary(max_size=200), name=st.sampled_from(["index.html", "a.css", "a.json"]))
@settings(max_examples=200, deadline=None)
def test_whatever_a_file_holds_there_is_an_answer(tmp_path_factory, content, name):
    folder = tmp_path_factory.mktemp("any")
    site(folder)
    (folder / name).write_bytes(content)
    assert all(problem.page for problem in check_site(folder))
    (folder / name).write_bytes(b'<a href="' + content + b'"> url("' + content + b'")')
    assert all(problem.page for problem in check_site(folder))


def test_a_folder_without_a_site_is_refused(tmp_path):
    with pytest.raises(AtlasError, match="no site here"):
        check_site(tmp_path)
