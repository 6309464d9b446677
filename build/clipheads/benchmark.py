"""Measure what decomposition and TEXTSPAN cost, as ratios within one run on one machine.

Models have random weights: time does not depend on what a model has learnt.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from clipheads.maths.decomposition import decompose
from clipheads.maths.moments import moments
from clipheads.maths.text_span import textspan
from clipheads.model.clip_model import ClipModel
from clipheads.model.load import load_model
from clipheads.model.open_clip_import import import_open_clip

ARCHITECTURES = ("ViT-B-32", "ViT-B-16")
GALLERIES = (500, 5_000, 50_000)
DESCRIPTIONS = 3_500
RANK = 67
"""d_head + 3 of all models in the paper."""


def run_benchmark(
    report: Callable[[str], None], *, pairs: int = 9, batch: int = 16, picks: int = 10
) -> None:
    """Time both on the CPU and report a plain table line by line.

    Args:
        report: Called with each line.
        pairs: Runs of either side; they alternate, so that both see the same load.
        batch: Images in a batch.
        picks: Descriptions that TEXTSPAN chooses for a head.
    """
    report(f"Decomposition of {batch} images, CPU float32, {torch.get_num_threads()} threads")
    report(f"{'model':<10} {'encode_image':>13} {'decompose':>11} {'ratio':>7}")
    for architecture in ARCHITECTURES:
        encode, split, ratio = _decomposition_cost(architecture, pairs, batch)
        report(f"{architecture:<10} {encode:>10.0f} ms {split:>8.0f} ms {ratio:>7.3f}")
    report(f"ratio: median of {pairs} alternating pairs")
    report("")
    report(f"TEXTSPAN of one head, {DESCRIPTIONS} descriptions, k = {picks}, r = {RANK}")
    report(f"{'images':<10} {'median':>10}")
    for images in GALLERIES:
        report(f"{images:<10} {_textspan_cost(images, pairs, picks):>7.2f} ms")


def _decomposition_cost(architecture: str, pairs: int, batch: int) -> tuple[float, float, float]:
    """Return the medians of encode_image and decompose in ms, and of their ratio in a pair."""
    model = _untrained(architecture)
    side = model.architecture.image_size
    pixels = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        _milliseconds(lambda: model.clip.encode_image(pixels))
        _milliseconds(lambda: decompose(model, pixels))  # folds the weights, once for a model
        timings = [
            (
                _milliseconds(lambda: model.clip.encode_image(pixels)),
                _milliseconds(lambda: decompose(model, pixels)),
            )
            for _ in range(pairs)
        ]
    encode, split = zip(*timings, strict=True)
    ratio = statistics.median(after / before for before, after in timings)
    return statistics.median(encode), statistics.median(split), ratio


def _untrained(architecture: str) -> ClipModel:
    """Load the random weights with which open_clip starts training, by way of a file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "untrained.pt"
        torch.save(import_open_clip().create_model(architecture).state_dict(), file)
        return load_model(architecture, checkpoint=file, device="cpu")


def _textspan_cost(images: int, repeats: int, picks: int) -> float:
    """Return the median in ms, from a covariance accumulated over batches of outputs."""
    random = torch.Generator().manual_seed(0)
    spread = torch.linspace(1.0, 0.05, RANK)
    total = None
    for start in range(0, images, 500):
        shard = moments(torch.randn(min(500, images - start), RANK, generator=random) * spread)
        total = shard if total is None else total.merge(shard)
    assert total is not None
    descriptions = torch.randn(DESCRIPTIONS, RANK, generator=random, dtype=torch.float64)
    covariance = total.covariance
    textspan(covariance, descriptions, k=1)
    return statistics.median(
        _milliseconds(lambda: textspan(covariance, descriptions, k=picks)) for _ in range(repeats)
    )


def _milliseconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000
