"""Beside the tests, so that those in folders below can import what lies here."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from few_published import few_published_heads
from misbehaving_server import KEY, MisbehavingServer

if TYPE_CHECKING:
    from clipheads.stages.build import BuildReport


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest tests first, so that no process ends with one while the others are done."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Nothing here outlives the power, so nothing has to be on the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _descriptor: None)
        yield


@pytest.fixture(scope="module")
def few_published() -> Iterator[None]:
    """Sites of this file have few pages of published heads."""
    with few_published_heads():
        yield


@pytest.fixture
def chat_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key, no server but the one that a test names, and no long waits before a retry."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)


@pytest.fixture
def server(chat_environment: None) -> Iterator[MisbehavingServer]:
    """A label server that answers well until it is told otherwise."""
    with MisbehavingServer() as running:
        yield running


@pytest.fixture
def tiny_vit_b_32(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of an architecture stands for a tiny one, so that its checkpoints are small."""
    from checkpoints import TINY
    from model_loading import TINY_NAME

    from clipheads.model.open_clip_import import import_open_clip

    monkeypatch.setitem(import_open_clip().factory._MODEL_CONFIGS, TINY_NAME, TINY)


@pytest.fixture
def checkpoint(tmp_path: Path, tiny_vit_b_32: None) -> Path:
    """A checkpoint of that architecture, with random weights."""
    import torch
    from checkpoints import TINY, random_clip

    file = tmp_path / "weights.pt"
    torch.save(random_clip(TINY).state_dict(), file)
    return file


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three pictures of noise."""
    import numpy as np
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("ant", "bee", "cat"):
        pixels = rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model, fourteen pictures, and small files of texts."""
    import numpy as np
    from checkpoints import tiny_config, write_local_dir
    from PIL import Image
    from tiny_builds import POOL

    folder = tmp_path_factory.mktemp("inputs")
    write_local_dir(folder / "tiny", tiny_config(layers=6))
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for index in range(14):
        pixels = np.zeros((60, 80, 3), dtype=np.uint8) + rng.integers(0, 255, 3, dtype=np.uint8)
        pixels[10:40, index : index + 30] = rng.integers(0, 255, (30, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"picture-{index:02d}.png")
    (folder / "pool.csv").write_text(POOL)
    (folder / "topics.csv").write_text("text,property\na cat,animals\na stone,objects\n")
    (folder / "contrasts.csv").write_text("first,second\na cat,a dog\na cat,the sky\n")
    return folder


@pytest.fixture(scope="session")
def built(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> "BuildReport":
    """The bundle of it; who changes something, copies it first."""
    from tiny_builds import build

    return build(inputs, tmp_path_factory.mktemp("built") / "atlas")
