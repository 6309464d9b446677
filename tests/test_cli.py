"""The command line: help with examples, one line and exit code 2 for what a user can mend."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import head_atlas
from PIL import Image
from typer.testing import CliRunner

from clipheads.bundle.errors import AtlasError
from clipheads.bundle.gallery import SkippedImage
from clipheads.model.names import PAPER_MODELS
from headatlas.commands import build
from headatlas.commands.app import app

COMMANDS = (
    "demo",
    "build",
    "label",
    "site",
    "serve",
    "check",
    "models",
    "train-demo",
    "audit",
    "ground-truth",
    "bench",
)


def assert_one_line(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result.stderr + result.stdout
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (40, 30), "teal").save(folder / "teal.png")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str) -> None:
    result = head_atlas(command, "--help")

    assert result.returncode == 0
    assert f"head-atlas {command}" in " ".join(result.stdout.split("Example", 1)[1].split())


FLAGS = {"--paper", "--export-text-encoder", "--export-image-encoder", "--dry-run", "--all"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_values_as_other_programs_do(command: str) -> None:
    text = CliRunner().invoke(app, [command, "--help"], terminal_width=80).output

    assert not re.search(r"<\w", text)  # such as <bool>
    assert not re.search(r"--\w[\w-]*…", text)
    for option in re.findall(r"^  (--[a-z-]+)(?=  )", text, re.MULTILINE):
        assert option in FLAGS, f"{option} takes a value, which its help must name"
    assert "-h, --help  " in text


def test_help_shows_each_example_on_one_line() -> None:
    for command in ("build", "label"):
        text = CliRunner().invoke(app, [command, "--help"], terminal_width=80).output
        examples = text.split("Examples:\n")[1].splitlines()
        assert len(examples) == 3
        assert all(f"head-atlas {command}" in example for example in examples)


def test_the_list_of_commands_cuts_no_sentence() -> None:
    text = CliRunner().invoke(app, ["--help"], terminal_width=80).output

    assert "..." not in text.split("Commands:")[1]


def test_help_loads_nothing_that_computes() -> None:
    code = "import sys, headatlas.commands.app; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "typer" in loaded
    assert not {"torch", "numpy", "pydantic", "jinja2", "PIL", "openai"} & set(loaded)


def test_labeler_is_another_spelling_that_no_help_shows() -> None:
    old = CliRunner().invoke(app, ["label", "--labeler", "nobody", "--atlas", "nowhere"])
    new = CliRunner().invoke(app, ["label", "--labeller", "nobody", "--atlas", "nowhere"])

    assert old.exit_code == new.exit_code == 2
    assert "'nobody' is not one of 'explained', 'majority', 'openai'" in " ".join(
        new.output.split()
    )
    assert old.output == new.output
    for command in COMMANDS:
        assert "--labeler" not in CliRunner().invoke(app, [command, "--help"]).output


@pytest.mark.parametrize(
    ("atlas", "option"), [("data/atlas", ""), ("my atlas", " --atlas 'my atlas'")]
)
def test_a_build_says_how_to_make_the_site_of_its_own_atlas(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photos: Path, atlas: str, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "build_bundle", lambda *_arguments, **_options: None)
    arguments = ["build", "--model", "any", "--gallery", str(photos), "--atlas", atlas]

    result = CliRunner().invoke(app, arguments)

    assert result.output == f"Make the site: head-atlas site{option}\n"


def test_an_unknown_model_is_named_with_a_close_one(tmp_path: Path, photos: Path) -> None:
    result = head_atlas(
        "build", "--model", "ViT-B-32_opnai", "--gallery", photos, "--atlas", tmp_path / "atlas"
    )

    assert_one_line(result, "ViT-B-32_opnai", "ViT-B-32_openai")


def test_an_unsupported_architecture_is_refused_with_the_reason(
    tmp_path: Path, photos: Path
) -> None:
    result = head_atlas(
        "build", "--model", "RN50_openai", "--gallery", photos, "--atlas", tmp_path / "atlas"
    )

    assert_one_line(result, "RN50_openai", "ResNet")


@pytest.mark.parametrize("kind", ["missing", "empty", "without images", "a file"])
def test_a_gallery_without_images_is_refused(tmp_path: Path, kind: str) -> None:
    gallery = tmp_path / "gallery"
    if kind == "a file":
        gallery.write_text("not a folder")
    elif kind != "missing":
        gallery.mkdir()
    if kind == "without images":
        (gallery / "notes.txt").write_text("no image")

    result = head_atlas(
        "build", "--model", "ViT-B-32_openai", "--gallery", gallery, "--atlas", tmp_path / "atlas"
    )

    assert_one_line(result, str(gallery))


def test_output_that_cannot_be_written_is_refused(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "atlas").write_text("a file where a folder must be")

    result = head_atlas(
        "build", "--model", "ViT-B-32_openai", "--gallery", photos, "--atlas", tmp_path / "atlas"
    )

    assert_one_line(result, str(tmp_path / "atlas"))


def test_weights_that_cannot_be_read_are_refused(tmp_path: Path, photos: Path) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"not weights")

    result = head_atlas(
        "build", "--model", "ViT-B-32_openai", "--checkpoint", weights, "--gallery", photos,
        "--atlas", tmp_path / "atlas",
    )  # fmt: skip

    assert_one_line(result, "weights.pt")


def test_audit_prints_table_1_beside_what_the_published_labels_give() -> None:
    result = head_atlas("audit")

    assert result.returncode == 0
    assert "Table 1" in result.stdout
    assert "ViT-L-14_openai" in result.stdout


def test_a_site_without_an_atlas_says_how_to_make_one(tmp_path: Path) -> None:
    result = head_atlas("site", "--atlas", tmp_path / "atlas", "--out", tmp_path / "site")

    assert_one_line(result, "head-atlas")


def test_checking_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert_one_line(head_atlas("check", tmp_path / "nowhere"), "nowhere")


def test_minutes_and_steps_exclude_each_other(tmp_path: Path) -> None:
    result = head_atlas("train-demo", "--minutes", "1", "--steps", "5", "--out", tmp_path)

    assert_one_line(result, "--minutes", "--steps")


def test_a_broken_image_is_skipped_named_and_counted_and_a_second_run_does_nothing(
    tmp_path: Path, photos: Path
) -> None:
    Image.effect_noise((64, 48), 80).convert("RGB").save(photos / "noise.jpg")
    Image.effect_noise((64, 64), 30).convert("RGB").save(photos / "grey.png")
    (photos / "broken.png").write_bytes((photos / "grey.png").read_bytes()[:200])
    demo = Path(__file__).parents[1] / "data" / "demo"
    arguments = (
        "build", "--model", f"local-dir:{demo / 'demo-clip'}", "--gallery", photos,
        "--descriptions", demo / "descriptions.csv", "--topics", demo / "topics.csv",
        "--contrasts", demo / "contrasts.csv", "--atlas", tmp_path / "atlas", "--device", "cpu",
    )  # fmt: skip

    first = head_atlas(*arguments)
    second = head_atlas(*arguments)

    assert first.returncode == 0, first.stderr
    assert "skipped broken.png" in first.stdout
    assert "1 skipped, 3 images read" in first.stdout
    assert "nothing to do" in second.stdout
    assert "\x1b" not in first.stdout  # plain in a pipe


def test_of_a_hundred_thousand_missing_images_the_terminal_names_the_first_and_the_number() -> None:
    missing = [SkippedImage(file=f"{n}.png", reason="gone") for n in range(100_000)]
    lines = build.skipped_lines(missing, 13, Path("atlas/gallery/manifest.json"))
    assert lines[0] == "skipped 0.png: gone"
    assert lines[-2:] == [
        "… and 99980 more, all listed in atlas/gallery/manifest.json",
        "100000 skipped, 13 images read",
    ]
    assert len(lines) == 22
    assert build.skipped_lines(missing[:2], 1, Path("m"))[-1] == "2 skipped, 1 images read"
    assert build.skipped_lines([], 1, Path("m")) == []


def test_the_truth_of_an_atlas_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = head_atlas("ground-truth", "--atlas", tmp_path / "nowhere")

    assert_one_line(result, "nowhere", "head-atlas demo")


@pytest.mark.parametrize(("value", "images"), [("none", 0), ("2", 2), ("256", 256)])
def test_the_profile_is_a_number_of_images_or_none(
    monkeypatch: pytest.MonkeyPatch, photos: Path, value: str, images: int
) -> None:
    given: list[object] = []
    monkeypatch.setattr(build, "build_bundle", lambda _name, **options: given.append(options))
    arguments = ["build", "--model", "any", "--gallery", str(photos)]

    for options in ([], ["--profile", value]):
        result = CliRunner().invoke(app, [*arguments, *options])
        assert result.exit_code == 0, result.output

    assert [options["profile"] for options in given] == [256, images]  # type: ignore[index]


@pytest.mark.parametrize("value", ["0", "1", "-3", "all", "12.5", "²"])
def test_another_profile_is_refused(photos: Path, value: str) -> None:
    result = CliRunner().invoke(
        app, ["build", "--model", "any", "--gallery", str(photos), "--profile", value]
    )

    assert result.exit_code == 2
    assert "neither none nor a number" in " ".join(result.output.replace("│", " ").split())


def test_paper_builds_the_six_models_in_turn(monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    built: list[str] = []
    monkeypatch.setattr(build, "build_bundle", lambda name, **_options: built.append(name))

    result = CliRunner().invoke(app, ["build", "--paper", "--gallery", str(photos)])

    assert result.exit_code == 0, result.output
    assert built == list(PAPER_MODELS)
    assert len(set(built)) == 6


WRONG_OPTIONS = {
    "no model": (["build"], "give either --model"),
    "both": (["build", "--paper", "--model", "x"], "give either --model"),
    "checkpoint": (["build", "--paper", "--checkpoint", "x.pt"], "--checkpoint goes with one"),
    "labels": (["build", "--paper", "--labels", "x.csv"], "--labels goes with one"),
    "label model": (["build", "--model", "x", "--label-model", "y"], "go with --labeller openai"),
}


@pytest.mark.parametrize(("words", "line"), WRONG_OPTIONS.values(), ids=WRONG_OPTIONS)
def test_options_that_do_not_go_together_are_one_line(
    photos: Path, words: list[str], line: str
) -> None:
    result = CliRunner().invoke(app, [*words, "--gallery", str(photos)])

    assert isinstance(result.exception, AtlasError)
    assert line in str(result.exception)
    assert "\n" not in str(result.exception)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--colour"], "No such option: --colour"),
        (["sites"], "No such command 'sites'"),
        (["build"], "Missing option '--gallery'"),
        (["build", "--gallery"], "Option '--gallery' requires an argument"),
        (["build", "--gallery", "x", "--batch-size", "many"], "Invalid value for '--batch-size'"),
        (["build", "--gallery", "x", "--precision", "fp8"], "Invalid value for '--precision'"),
    ],
)
def test_a_command_line_that_is_wrong_is_one_line_that_says_where(
    words: list[str], line: str
) -> None:
    ended = head_atlas(*words)

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"head-atlas: {line}")
    assert ended.stderr.count("\n") == 1
    assert " -h says what is right" in ended.stderr
