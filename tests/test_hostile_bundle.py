"""A bundle from somebody else is data: it can neither write nor publish what is outside."""

import hashlib
import json
import os
import shutil
import string

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from synthetic_bundle import edit_json, write_bundle
from synthetic_search import write_search
from synthetic_truth import write_truth

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.literature import LiteratureRecord
from clipheads.bundle.paper import PaperRecord
from clipheads.bundle.progress import Silent
from clipheads.labels.majority import label_heads_by_majority
from clipheads.stages.label import relabel
from headatlas.atlas_reader import read_atlas
from headatlas.pages import published_head, published_model, table1
from headatlas.pages.kinds import KINDS
from headatlas.pages.published import published_view
from headatlas.pages.search_export import search_export
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import model_views
from headatlas.publish.output import site_output
from headatlas.render import render
from headatlas.runtime.onnxruntime_web import Runtime
from headatlas.site import gallery_files

PAPER = read_record(data_file("published", "paper.json"), PaperRecord)
LITERATURE = read_record(data_file("published", "literature.json"), LiteratureRecord)
OF_A_BUNDLE = [kind for kind in KINDS if kind not in (published_head, published_model, table1)]
"""The kinds of pages that show what a bundle holds."""

RECORDS = (
    "gallery/manifest.json",
    "demo-clip/model.json",
    "demo-clip/images.json",
    "demo-clip/heads/L0.H0.json",
    "demo-clip/search/search.json",
    "demo-clip/ground-truth.json",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small atlas with a search and a ground truth, not to be changed."""
    atlas = write_bundle(
        tmp_path_factory.mktemp("whole") / "atlas", images=4, layers=1, heads=2, grid=(4, 4)
    )
    write_search(atlas, encoders=False)
    write_truth(atlas / "demo-clip")
    return atlas


@pytest.fixture
def atlas(whole, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(whole, tmp_path / "atlas")


def written(atlas, out):
    """Make what depends on the bundle, without the pages that all sites have."""
    read = read_atlas(atlas)
    models = model_views(read)
    search = search_export(read, models, Silent(), lambda: Runtime({}, "not here"))
    site = SiteView(read.gallery, models, published_view(PAPER, models), LITERATURE, search)
    with site_output(out) as output:
        for page in (page for kind in OF_A_BUNDLE for page in kind.pages(site)):
            output.write(page.path, render(page).encode())
            for link, content in page.files.items():
                data = content if isinstance(content, bytes) else content.read_bytes()
                output.write(link.path, data)
        for link in gallery_files(read.gallery):
            output.write(link.path, b"picture")


def refusal(atlas, out):
    """The one line that says why."""
    with pytest.raises(AtlasError) as refused:
        written(atlas, out)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def edit(path, where, value):
    """Replace a value inside a JSON file, of any depth."""
    content = json.loads(path.read_text())
    inner = content
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] = value
    path.write_text(json.dumps(content))


OUT_OF_HERE = "../../../victim"


@pytest.mark.parametrize(
    ("file", "where"),
    [
        ("gallery/manifest.json", ("images", 0, "id")),
        ("demo-clip/model.json", ("heads", 0, "id")),
        ("demo-clip/model.json", ("contrasts", 0, "slug")),
        ("demo-clip/model.json", ("properties", 0, "slug")),
        ("demo-clip/model.json", ("name",)),
        ("demo-clip/heads/L0.H0.json", ("id",)),
        ("demo-clip/search/search.json", ("properties", 0, "slug")),
        ("demo-clip/search/search.json", ("files", "texts", "name")),
    ],
)
@pytest.mark.parametrize("name", [OUT_OF_HERE, "/etc/victim", "a/b", "..", "", "a\0b", "x" * 300])
def test_a_name_that_leads_elsewhere_is_refused(atlas, tmp_path, file, where, name):
    edit(atlas / file, where, name)
    refusal(atlas, tmp_path / "site")
    assert not list(tmp_path.rglob("*victim*"))


@pytest.mark.parametrize("where", [("heads", 0, "id"), ("properties", 0, "slug")])
def test_new_labels_are_not_written_elsewhere(atlas, tmp_path, where):
    edit(atlas / "demo-clip" / "model.json", where, OUT_OF_HERE)
    with pytest.raises(AtlasError, match=r"model\.json"):
        relabel(atlas / "demo-clip", label_heads_by_majority)
    assert not list(tmp_path.rglob("*victim*"))


@pytest.mark.parametrize("name", ["evil.html", "evil.svg", "evil", "evil.js", "../other.json"])
def test_only_known_kinds_of_files_are_published(atlas, tmp_path, name):
    file = atlas / "demo-clip" / "search" / name
    file.write_bytes(b"<script>alert(1)</script>")
    size, digest = file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest()
    described = {"name": name, "bytes": size, "sha256": digest}
    edit(atlas / "demo-clip/search/search.json", ("files", "texts"), described)
    assert "files: texts: name: " in refusal(atlas, tmp_path / "site")


@pytest.mark.parametrize(
    "file",
    [
        "gallery/scene-0000.webp",
        "demo-clip/search/texts.json",
        "demo-clip/heads/L0.H1.json",
        "demo-clip/neighbours.safetensors",
    ],
)
def test_a_link_out_of_the_atlas_is_not_followed(atlas, tmp_path, file):
    private = tmp_path / "private"
    (atlas / file).rename(private)
    (atlas / file).symlink_to(private)
    assert "leads out of" in refusal(atlas, tmp_path / "site")


def test_a_folder_that_links_out_of_the_atlas_is_not_followed(atlas, tmp_path):
    (atlas / "demo-clip").rename(tmp_path / "private")
    (atlas / "demo-clip").symlink_to(tmp_path / "private")
    assert "leads out of" in refusal(atlas, tmp_path / "site")


def test_an_atlas_that_is_itself_a_link_is_read(atlas, tmp_path):
    (tmp_path / "linked").symlink_to(atlas)
    written(tmp_path / "linked", tmp_path / "site")
    assert (tmp_path / "site" / "demo-clip" / "index.html").is_file()


@pytest.mark.parametrize("file", ["projections.onnx", "search/texts.json", "search/texts.bin"])
def test_one_changed_bit_of_a_published_file_is_noticed(atlas, tmp_path, file):
    path = atlas / "demo-clip" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "missing or damaged" in refusal(atlas, tmp_path / "site")


def _save_neighbours(atlas, **changes):
    arrays = {
        "images": np.zeros((2, 4, 3), np.int32),
        "scores": np.zeros((2, 4, 3), np.float32),
    } | changes
    arrays = {name: value for name, value in arrays.items() if value is not None}
    save_file(arrays, atlas / "demo-clip" / "neighbours.safetensors")


@pytest.mark.parametrize(
    "changes",
    [
        {"images": np.full((2, 4, 3), -1000, np.int32)},
        {"images": np.full((2, 4, 3), 4, np.int32)},
        {"images": np.zeros((2, 4, 3), np.float32)},
        {"images": np.zeros(24, np.int32)},
        {"scores": np.full((2, 4, 3), np.nan, np.float32)},
        {"scores": np.zeros((2, 4, 2), np.float32)},
        {"images": None},
        {"scores": None},
    ],
)
def test_impossible_neighbours_are_one_line(atlas, tmp_path, changes):
    _save_neighbours(atlas, **changes)
    assert "neighbours.safetensors" in refusal(atlas, tmp_path / "site")


@pytest.mark.parametrize(
    "maps",
    [
        np.full((99, 4, 4), np.nan, np.float16),
        np.full((99, 4, 4), np.inf, np.float32),
        np.full((99, 4, 4), 1e300, np.float64),
        np.zeros(99, np.float16),
        np.zeros((99, 4), np.float16),
        np.zeros((99, 0, 4), np.float16),
    ],
)
def test_impossible_heat_maps_are_one_line(atlas, tmp_path, maps):
    save_file({"maps": maps}, atlas / "demo-clip" / "heatmaps.safetensors")
    assert "heatmaps.safetensors" in refusal(atlas, tmp_path / "site")


def test_heat_maps_without_their_tensor_are_one_line(atlas, tmp_path):
    save_file({"other": np.zeros(1)}, atlas / "demo-clip" / "heatmaps.safetensors")
    assert "heatmaps.safetensors: damaged" in refusal(atlas, tmp_path / "site")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "null", '"a"'])
def test_a_number_that_is_none_is_one_line(atlas, tmp_path, value):
    path = atlas / "demo-clip/heads/L0.H0.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"mean_share": 0.125}).replace("0.125", value))
    assert "L0.H0.json" in refusal(atlas, tmp_path / "site")


@pytest.mark.parametrize(
    "where",
    [
        ("labels",),
        ("zero_shot",),
        ("heads", 0, "groups"),
        ("heads", 0, "hits"),
        ("faithfulness", "by_descriptions"),
        ("faithfulness", "untouched", 0, "values"),
    ],
)
def test_a_ground_truth_that_is_not_whole_is_left_out(atlas, tmp_path, where):
    edit(atlas / "demo-clip/ground-truth.json", where, [])
    written(atlas, tmp_path / "site")
    assert not (tmp_path / "site/ground-truth").exists()


@pytest.mark.parametrize(
    ("file", "where"),
    [
        ("demo-clip/model.json", ("profile", "transforms")),
        ("demo-clip/model.json", ("properties", 0, "heads")),
        ("demo-clip/heads/L0.H0.json", ("profile", "effects")),
    ],
)
def test_lists_that_do_not_fit_each_other_are_one_line(atlas, tmp_path, file, where):
    edit(atlas / file, where, [])
    refusal(atlas, tmp_path / "site")


def test_deep_nesting_is_one_line(atlas, tmp_path):
    (atlas / "demo-clip/images.json").write_text("[" * 100_000)
    assert "images.json: Invalid JSON" in refusal(atlas, tmp_path / "site")


@pytest.mark.parametrize(
    "source", ["http://[", "https://", "http://x y", "javascript:alert(1)", "https://x/\n"]
)
def test_a_source_that_is_no_address_is_shown_and_not_linked(atlas, tmp_path, source):
    edit(atlas / "gallery/manifest.json", ("images", 0, "source"), source)
    written(atlas, tmp_path / "site")
    page = (tmp_path / "site/demo-clip/images/scene-0000/index.html").read_text()
    assert f'<a href="{source}' not in page
    assert f"<dt>Source</dt><dd>{source.rstrip()}" in page


def test_records_that_contradict_each_other_are_refused(atlas, tmp_path):
    path = atlas / "demo-clip/heads/L0.H1.json"
    label = json.loads(path.read_text())["label"]
    edit_json(path, label=label | {"text": "something else"})
    assert "something else" in refusal(atlas, tmp_path / "site")


@pytest.mark.parametrize("part", ["heads", "properties", "contrasts", "terms"])
def test_what_is_listed_twice_is_refused(atlas, tmp_path, part):
    path = atlas / "demo-clip/model.json"
    rows = json.loads(path.read_text())[part]
    edit_json(path, **{part: [*rows, rows[0]]})
    assert "twice" in refusal(atlas, tmp_path / "site")


@pytest.mark.parametrize("part", ["heads", "layers", "terms"])
def test_a_model_without_a_part_is_refused(atlas, tmp_path, part):
    edit_json(atlas / "demo-clip/model.json", **{part: []})
    assert "model.json" in refusal(atlas, tmp_path / "site")


hostile = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**80), max_value=2**80),
    st.floats(),
    st.text(),
    st.text(alphabet="./\\~%\0\n\u202e-aA<>&'\"{}[] " + string.digits, max_size=40),
    st.sampled_from([OUT_OF_HERE, "/etc/passwd", "C:\\x", "con", "..", "L0.H00", "L0.H1\n"]),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


def leaves(value, path=()):
    """The way to every value inside nested lists and objects."""
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    for step, inner in steps:
        yield (*path, step)
        if isinstance(inner, dict | list):
            yield from leaves(inner, (*path, step))


def files_outside(root):
    """Every file with the time of its last change, but those below a/b/c."""
    return {
        path: path.stat().st_mtime_ns
        for path in root.rglob("*")
        if path.is_file() and not path.is_relative_to(root / "a" / "b" / "c")
    }


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_stands_in_a_record_nothing_is_written_outside(whole, tmp_path_factory, data):
    file = data.draw(st.sampled_from(RECORDS))
    content = json.loads((whole / file).read_text())
    where = data.draw(st.sampled_from(list(leaves(content))))
    values = hostile
    for step in where[:-1]:
        content = content[step]
    if isinstance(former := content[where[-1]], list):
        values |= st.sampled_from([[], former[:1], former[1:], former + former[-1:]])
    value = data.draw(values)
    root = tmp_path_factory.mktemp("hostile")
    atlas = root / "a" / "b" / "atlas"
    shutil.copytree(whole, atlas, copy_function=os.link)
    (atlas / file).unlink()
    shutil.copy(whole / file, atlas / file)
    edit(atlas / file, where, value)
    before = files_outside(root)
    out = root / "a" / "b" / "c" / "site"
    line = ""
    try:
        written(atlas, out)
    except AtlasError as error:
        line = str(error)
    assert "\n" not in line
    assert files_outside(root) == before
    shutil.rmtree(root)
