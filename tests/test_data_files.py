"""The data of an atlas can be downloaded: tables, an archive, and what describes them."""

import io
import json
import re
import shutil
import subprocess
import threading
import zipfile
from contextlib import redirect_stdout
from html.parser import HTMLParser

import bibtexparser
import mlcroissant
import pandas as pd
import polars as pl
import pytest
import rispy
from rocrate.rocrate import ROCrate
from synthetic_bundle import write_bundle

from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.model import ModelRecord
from headatlas.atlas_reader import read_atlas
from headatlas.citations import METHOD
from headatlas.head_json import HeadFile
from headatlas.pages.model_files import DESCRIPTIONS_COLUMNS, HEADS_COLUMNS
from headatlas.publish.archive import archive
from headatlas.publish.serve import make_server
from headatlas.site import generate_site
from headatlas.tables import Column, Table, columns_of

pytestmark = pytest.mark.usefixtures("few_published")
MODELS = ("demo-clip", "ViT-B-32_openai")


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("data") / "atlas", names=MODELS, images=5)


@pytest.fixture(scope="module")
def site(atlas, few_published):
    generate_site(atlas, atlas.parent / "site", licence="CC-BY-4.0", doi="10.5281/zenodo.1234")
    return atlas.parent / "site"


@pytest.fixture(scope="module")
def served(atlas, few_published):
    """A site that was made for the address at which it is served."""
    folder = atlas.parent / "served"
    folder.mkdir()
    (folder / "index.html").touch()
    with make_server(folder, 0) as server:
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        (folder / "index.html").unlink()
        generate_site(atlas, folder, address)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder
        server.shutdown()
        thread.join()


def records(atlas, model):
    folder = atlas / model / "heads"
    listed = read_record(atlas / model / "model.json", ModelRecord).heads
    return [read_record(folder / f"{head.id}.json", HeadRecord) for head in listed]


def as_rows(table):
    """The rows of a pandas table, with None where a value is missing."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


@pytest.mark.parametrize("model", MODELS)
def test_the_tables_of_heads_are_the_records(site, atlas, model):
    wanted = [
        {column.name: column.value(record) for column in columns_of(HeadRecord, "format")}
        for record in records(atlas, model)
    ]
    for table in (
        pd.read_csv(site / model / "heads.csv"),
        pd.read_parquet(site / model / "heads.parquet"),
        pl.read_parquet(site / model / "heads.parquet").to_pandas(),
        pl.read_csv(site / model / "heads.csv").to_pandas(),
    ):
        rows = as_rows(table)
        assert [row.pop("model") for row in rows] == [model] * len(wanted)
        assert [row.pop("page") for row in rows] == [f"/{model}/{row['id']}/" for row in wanted]
        assert all("published_label" in row for row in rows)
        assert [{name: row[name] for name in wanted[0]} for row in rows] == wanted


def test_the_tables_of_descriptions_are_the_records(site, atlas):
    wanted = [
        (record.id, rank, said.text, said.property, said.share, said.matches_label)
        for record in records(atlas, "demo-clip")
        for rank, said in enumerate(record.descriptions, start=1)
    ]
    names = ["id", "rank", "text", "property", "share", "matches_label"]
    for table in (
        pd.read_csv(site / "demo-clip" / "descriptions.csv"),
        pl.read_parquet(site / "demo-clip" / "descriptions.parquet").to_pandas(),
    ):
        assert [tuple(row[name] for name in names) for row in as_rows(table)] == wanted


def test_every_value_of_a_record_has_a_column_and_lists_have_none():
    names = {column.name for column in columns_of(HeadRecord)}
    assert {"id", "label_text", "label_noise_clear", "profile_reading_reads"} <= names
    assert "descriptions" not in names
    for columns in (HEADS_COLUMNS, DESCRIPTIONS_COLUMNS):
        assert len({column.name for column in columns}) == len(columns)


def test_a_table_keeps_texts_that_hold_its_own_marks():
    texts = ['a, "b"', "c\nd", "", None]
    table = Table((Column("text", str), Column("n", int)), [(text, 1) for text in texts])
    read = pd.read_parquet(io.BytesIO(table.parquet()))["text"]
    assert [None if pd.isna(text) else text for text in read] == texts
    rows = pd.read_csv(io.BytesIO(table.csv()), keep_default_na=False)["text"]
    assert list(rows) == ['a, "b"', "c\nd", "", ""]


def test_an_archive_has_the_same_bytes_for_the_same_files(tmp_path):
    (tmp_path / "b").write_bytes(b"two")
    made = archive({"b": tmp_path / "b", "a": b"one"})
    assert made == archive({"a": b"one", "b": b"two"})
    with zipfile.ZipFile(io.BytesIO(made)) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == {"a": b"one", "b": b"two"}


def test_the_archive_of_a_model_holds_its_records_as_they_are_in_the_bundle(site, atlas):
    with zipfile.ZipFile(site / "demo-clip" / "data.zip") as packed:
        assert packed.testzip() is None
        held = {name.removeprefix("demo-clip/"): packed.read(name) for name in packed.namelist()}
    for name in ("model.json", "images.json", "heatmaps.safetensors", "heads/L1.H2.json"):
        assert held[name] == (atlas / "demo-clip" / name).read_bytes()
    assert held["heads.csv"] == (site / "demo-clip" / "heads.csv").read_bytes()
    assert held["gallery.json"] == (atlas / "gallery" / "manifest.json").read_bytes()
    explained = re.findall(r"^(\S+\.\w+)  ", held["README.txt"].decode(), re.MULTILINE)
    assert {name.replace("L11.H7", "L1.H2") for name in explained} <= held.keys()


def test_head_json_follows_its_schema_and_holds_all_of_the_record(site, atlas):
    for record in records(atlas, "demo-clip"):
        content = json.loads((site / "demo-clip" / record.id / "head.json").read_text())
        read = HeadFile.model_validate(content)
        for name in HeadRecord.model_fields:
            assert getattr(read, name) == getattr(record, name)


def test_all_heads_can_be_loaded_into_a_reference_manager(site, atlas):
    heads = [record.id for record in records(atlas, "demo-clip")]
    entries = bibtexparser.parse_string((site / "demo-clip" / "heads.bib").read_text()).entries
    assert [entry.key for entry in entries] == [f"clip-head-atlas:demo-clip:{h}" for h in heads]
    read = rispy.loads((site / "demo-clip" / "heads.ris").read_text())
    assert [row["id"] for row in read] == [entry.key for entry in entries]


def test_croissants_own_library_loads_the_tables(site, atlas):
    dataset = mlcroissant.Dataset(site / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    wanted = records(atlas, "ViT-B-32_openai")
    rows = list(dataset.records("ViT-B-32_openai/heads"))
    assert [row["ViT-B-32_openai/heads/id"].decode() for row in rows] == [r.id for r in wanted]
    assert [row["ViT-B-32_openai/heads/explained"] for row in rows] == [r.explained for r in wanted]


def test_the_library_of_ro_crate_reads_the_site_as_a_crate(site):
    crate = ROCrate(site)
    assert crate.root_dataset["license"].id == "https://spdx.org/licenses/CC-BY-4.0"
    assert crate.root_dataset["identifier"] == "https://doi.org/10.5281/zenodo.1234"
    assert crate.dereference(METHOD.url)["name"] == METHOD.title
    files = [entity for entity in crate.get_entities() if entity.type == "File"]
    assert len(files) > 2 * len(MODELS)
    for file in files:
        path = site / file.id
        assert path.is_file()
        assert file.get("contentSize", str(path.stat().st_size)) == str(path.stat().st_size)


class Code(HTMLParser):
    """The samples of code on the page, by their name."""

    def __init__(self, text):
        super().__init__()
        self.samples, self.name = {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Begin a sample."""
        found = dict(attrs)
        self.name = found.get("aria-label") if "code" in found.get("class", "").split() else None

    def handle_data(self, data):
        """Add to it."""
        if self.name:
            self.samples[self.name] = self.samples.get(self.name, "") + data

    def handle_endtag(self, tag):
        """End it."""
        self.name = None


def test_the_code_on_the_page_runs_as_it_is_written(served, atlas):
    samples = Code((served / "data" / "index.html").read_text()).samples
    assert set(samples) == {"Python, pandas", "Python, polars", "JavaScript"}
    first = records(atlas, read_atlas(atlas).models[0].record.name)
    for name in ("Python, pandas", "Python, polars"):
        with redirect_stdout(io.StringIO()) as printed:
            exec(compile(samples[name], name, "exec"), {})
        assert printed.getvalue()
        if "pandas" in name:
            largest = max(first, key=lambda record: record.variance_share)
            assert largest.id in printed.getvalue()
    if not shutil.which("node"):
        pytest.skip("no Node here")
    run = subprocess.run(
        ["node", "--input-type=module", "--eval", samples["JavaScript"]],
        capture_output=True,
        check=True,
    )
    assert run.stdout.decode().splitlines() == [
        f"{said.text} {said.share}" for said in first[0].descriptions
    ]


def test_sizes_on_the_page_are_those_of_the_files(site):
    page = (site / "data" / "index.html").read_text()
    listed = re.findall(r'href="\.\./([^"]+)" download>[^<]+</a></th><td class="number">', page)
    assert len(listed) == 7 * len(MODELS) + 3
    assert all((site / path).is_file() for path in listed)
