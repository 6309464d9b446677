"""From a bundle to a checked site: complete, repeatable, without torch."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import html5lib
import pytest
from PIL import Image
from synthetic_bundle import edit_json, write_bundle
from synthetic_truth import write_truth

from clipheads.bundle.disk.owned_files import Made, adopt
from clipheads.bundle.errors import AtlasError, BundleError
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.progress import Silent
from headatlas.head_json import HeadFile
from headatlas.publish.check import check_site
from headatlas.site import generate_site

pytestmark = pytest.mark.usefixtures("few_published")


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "atlas"
    return write_bundle(folder, names=("demo-clip", "ViT-B-32_openai"), images=6)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_site_passes_its_own_check(atlas, tmp_path):
    report = generate_site(atlas, tmp_path)
    assert check_site(tmp_path) == []
    assert report.pages == len(list(tmp_path.rglob("*.html")))
    files = [path for path in contents(tmp_path) if not path.startswith(".")]
    assert report.files == len(files)
    assert report.bytes == sum(len(contents(tmp_path)[path]) for path in files)


def test_so_does_a_site_with_an_address(atlas, tmp_path):
    generate_site(atlas, tmp_path, "https://example.org/atlas")
    assert check_site(tmp_path) == []
    root = ET.fromstring((tmp_path / "sitemap.xml").read_text())
    addresses = [element.text for element in root.iter() if element.tag.endswith("loc")]
    assert "https://example.org/atlas/ViT-B-32_openai/L1.H2/" in addresses
    assert len(addresses) == len(list(tmp_path.rglob("*.html"))) - 1


def test_robots_may_read_all_and_learn_of_the_sitemap_if_there_is_one(atlas, tmp_path):
    generate_site(atlas, tmp_path, "https://example.org/atlas/")
    rules = (tmp_path / "robots.txt").read_text().splitlines()
    assert rules == ["User-agent: *", "Allow: /", "Sitemap: https://example.org/atlas/sitemap.xml"]
    generate_site(atlas, tmp_path)
    assert (tmp_path / "robots.txt").read_text().splitlines() == rules[:2]


def test_without_an_address_there_is_no_sitemap(atlas, tmp_path):
    generate_site(atlas, tmp_path, "https://example.org")
    generate_site(atlas, tmp_path)
    assert not (tmp_path / "sitemap.xml").exists()


def test_links_within_a_page_say_what_the_headings_say(tmp_path):
    atlas = write_bundle(tmp_path / "atlas", images=6)
    write_truth(atlas / "demo-clip")
    generate_site(atlas, tmp_path / "site")
    for path in (tmp_path / "site").rglob("index.html"):
        page = html5lib.parse(path.read_text(), namespaceHTMLElements=False)
        headings = {
            section.get("id"): " ".join("".join(section.find("h2").itertext()).split())
            for section in page.iter("section")
            if section.find("h2") is not None
        }
        for nav in page.iter("nav"):
            if nav.get("class") == "jump":
                for link in nav.iter("a"):
                    if link.get("href").startswith("#"):
                        said = " ".join("".join(link.itertext()).split())
                        assert said == headings[link.get("href")[1:]], path


def test_same_atlas_same_bytes(atlas, tmp_path):
    # In two programs, so that nothing of one is left for the other, and in other surroundings;
    # and with all published heads.
    surroundings = {
        "one": {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"},
        "two": {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"},
    }
    code = "import sys, pathlib, headatlas.site as site;"
    code += "site.generate_site(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    for name, variables in surroundings.items():
        (tmp_path / "in" / name).mkdir(parents=True)
        subprocess.run(
            [sys.executable, "-c", code, atlas, tmp_path / name],
            env={**os.environ, **variables},
            cwd=tmp_path / "in" / name,
            check=True,
        )
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert check_site(tmp_path / "one") == []


def test_a_second_run_touches_nothing(atlas, tmp_path):
    generate_site(atlas, tmp_path)

    def times():
        return {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.*") if p.name[0] != "."}

    before = times()
    generate_site(atlas, tmp_path)
    assert times() == before


def test_a_model_that_is_gone_leaves_the_site(tmp_path):
    atlas = write_bundle(tmp_path / "atlas", names=("a-clip", "b-clip"), images=3, heads=1)
    generate_site(atlas, tmp_path / "site")
    (atlas / "b-clip" / "model.json").unlink()
    assert generate_site(atlas, tmp_path / "site").removed > 0
    assert not (tmp_path / "site" / "b-clip").exists()
    assert check_site(tmp_path / "site") == []


def test_head_json_is_the_record_with_its_model_and_address(atlas, tmp_path):
    generate_site(atlas, tmp_path, "https://example.org")
    content = json.loads((tmp_path / "demo-clip" / "L1.H2" / "head.json").read_text())
    extra = {
        key: content.pop(key)
        for key in HeadFile.model_fields.keys() - HeadRecord.model_fields.keys()
    }
    record = json.loads((atlas / "demo-clip" / "heads" / "L1.H2.json").read_text())
    assert HeadRecord.model_validate(content) == HeadRecord.model_validate(record)
    assert extra["model"] == "demo-clip"
    assert extra["url"] == "https://example.org/demo-clip/L1.H2/"


def test_each_photograph_is_there_once(atlas, tmp_path):
    generate_site(atlas, tmp_path)
    full = sorted((tmp_path / "gallery").glob("*.webp"))
    assert len(full) == 6
    for path in full:
        assert path.read_bytes() == (atlas / "gallery" / path.name).read_bytes()
    assert len(list((tmp_path / "gallery").rglob("*.webp"))) == 12
    # Beside them, one picture of each model with cuts of them for its grid.
    others = set(tmp_path.rglob("*.webp")) - set((tmp_path / "gallery").rglob("*"))
    assert sorted(path.relative_to(tmp_path).as_posix() for path in others) == [
        "ViT-B-32_openai/tiles.webp",
        "demo-clip/tiles.webp",
    ]


@pytest.mark.parametrize(
    "base_url",
    [
        *("example.org", "ftp://example.org/", "https://", "/atlas/", "", "http://[", "https:///x"),
        *("https://example.org/#a", "https://example.org/?a=b", "https://me:key@example.org/"),
        *("https://example.org/a b", "https://example.org/\n", 'https://example.org/"x"'),
        *("https://example.org/../a/", "https://example.org/a/./b", "https://example.org/%2e%2e/a"),
        *("https://example.org:0/", "https://example.org:99999/", "https://example.org/a//b"),
        *("https://example.org/%", "https://пример.рф/", "https://-a/", "https://a/<b>"),
    ],
)
def test_a_base_url_that_is_none_is_refused(atlas, tmp_path, base_url):
    with pytest.raises(AtlasError, match="not a base URL"):
        generate_site(atlas, tmp_path, base_url)


def test_a_site_that_overlaps_the_atlas_is_refused(tmp_path):
    atlas = write_bundle(tmp_path / "x" / "atlas", images=2, heads=1)
    before = contents(tmp_path)
    (tmp_path / "link").symlink_to(atlas)
    for out in (atlas, atlas / "site", tmp_path / "x", tmp_path / "link", atlas / ".." / "atlas"):
        with pytest.raises(AtlasError, match="overlaps the atlas"):
            generate_site(atlas, out)
    assert contents(tmp_path) == before


def test_an_interrupted_site_leaves_no_pictures_of_another_gallery(tmp_path, monkeypatch):
    first = write_bundle(tmp_path / "first", images=3, layers=1, heads=1)
    second = write_bundle(tmp_path / "second", images=3, layers=1, heads=1)
    for path in (second / "gallery").glob("*.webp"):
        Image.new("RGB", (64, 64), "red").save(path)
    generate_site(first, tmp_path / "site")
    whole = contents(tmp_path / "site")

    class Killed(BaseException):
        pass

    def die(*_arguments, **_options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("headatlas.site.render", die)  # after the pictures
        with pytest.raises(Killed):
            generate_site(second, tmp_path / "site")
    generate_site(first, tmp_path / "site")
    assert contents(tmp_path / "site") == whole


class Meanwhile(Silent):
    """Lets something happen when a stage begins."""

    def __init__(self, stage, happens):
        self.begins, self.happens = stage, happens

    def stage(self, name, total, unit):
        """Open a stage."""
        if name == self.begins:
            self.happens()
        return super().stage(name, total, unit)


@pytest.mark.parametrize("stage", ["Read the atlas", "Copy pictures", "Write pages"])
def test_an_atlas_that_changes_while_it_is_read_leaves_the_site_as_it_was(tmp_path, stage):
    atlas = write_bundle(tmp_path / "atlas", names=("demo-clip",), images=6)
    folder, site = atlas / "demo-clip", tmp_path / "site"
    generate_site(atlas, site)
    before = contents(site)

    def label():
        adopt(folder, {"records": Made(key=None, files={"heads/L0.H0.json": ""})})
        edit_json(folder / "model.json", version="another")

    with pytest.raises(AtlasError, match="was changed while it was read"):
        generate_site(atlas, site, progress=Meanwhile(stage, label))
    assert contents(site) == before


def test_a_refused_atlas_writes_nothing(tmp_path):
    atlas = write_bundle(tmp_path / "atlas", images=3, heads=1)
    edit_json(atlas / "demo-clip" / "model.json", gallery_sha256="other")
    with pytest.raises(BundleError):
        generate_site(atlas, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_the_generator_does_without_torch(atlas, tmp_path):
    script = (
        "import sys; from pathlib import Path; from headatlas.site import generate_site; "
        "generate_site(Path(sys.argv[1]), Path(sys.argv[2])); "
        "from headatlas.publish import check, serve; "
        "assert 'torch' not in sys.modules and 'open_clip' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, atlas, tmp_path], check=True)
    assert (Path(tmp_path) / "index.html").is_file()
