"""Links within the site lead where they say, from any page, server or disk."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headatlas.links import links_in
from headatlas.urls import Link, Urls, relative

names = st.text("abAB01.-_ é&%#?", min_size=1, max_size=6).filter(lambda n: n.strip(".") != "")
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


@given(source=paths, target=paths, fragment=st.sampled_from(["", "cite"]))
def test_a_browser_that_follows_a_relative_link_arrives(source, target, fragment):
    root = "https://example.org/some/folder/"
    here = root + "/".join(part.replace("%", "%25") for part in PurePosixPath(source).parts)
    here = here.replace("?", "%3F").replace("#", "%23")
    href = relative(Link(source), Link(target, fragment))
    arrived, _, anchor = urljoin(here, href).partition("#")
    assert unquote(arrived) == root + target
    assert anchor == fragment


def test_a_link_to_an_anchor_on_the_same_page_is_only_the_fragment():
    assert relative(Link("m/index.html"), Link("m/index.html", "cite")) == "#cite"


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (None, "/m/L1.H2/"),
        ("https://example.org/atlas/", "https://example.org/atlas/m/L1.H2/"),
        ("https://example.org", "https://example.org/m/L1.H2/"),
    ],
)
def test_permanent_addresses_are_folders(base, expected):
    assert Urls(base).permanent(Link("m/L1.H2/index.html")) == expected


def test_links_are_found_wherever_they_are_nested():
    @dataclass(frozen=True)
    class Holder:
        one: Link
        more: tuple[dict[str, Link], ...]

    held = Holder(Link("a"), ({"x": Link("b")}, {"y": Link("c", "d")}))
    assert list(links_in([held, "text", 3, None], set())) == [Link("a"), Link("b"), Link("c", "d")]
