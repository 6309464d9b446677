"""Outlier tokens: found by a robust rule, and their share of what a head reads."""

from pathlib import Path

import pytest
import torch
from few_published import few_published_heads
from synthetic_bundle import write_bundle

from clipheads.maths.attention import class_token_attention, read_tokens, write_products
from clipheads.maths.directions import value_output_factors
from clipheads.maths.outliers import outlier_patches, read_from
from clipheads.model.clip_model import ClipModel
from clipheads.model.load import load_model
from clipheads.model.tower import run_tower
from headatlas.site import generate_site

HEADS = [(2, 1), (4, 0), (5, 5)]


@pytest.fixture(scope="module")
def model() -> ClipModel:
    return load_model("local-dir:data/demo/demo-clip", device="cpu")


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_a_planted_outlier_is_found_and_nothing_else() -> None:
    lengths = 10 + torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    assert not outlier_patches(lengths).any()
    lengths[1, 7] = 60.0
    assert outlier_patches(lengths).nonzero().tolist() == [[1, 7]]


def test_the_rule_has_no_unit_and_needs_both_conditions() -> None:
    """Long by deviations alone, or by the factor alone, is no outlier."""
    narrow = torch.full((64,), 10.0)
    narrow[3] = 19.0
    assert not outlier_patches(narrow).any()
    narrow[3] = 21.0
    assert outlier_patches(narrow).sum() == outlier_patches(1000 * narrow).sum() == 1
    wide = torch.linspace(1, 30, 64)
    wide[0] = 40.0
    assert not outlier_patches(wide).any()


def test_shares_of_all_tokens_are_one_and_of_none_zero() -> None:
    parts = torch.rand(5, 2, 9)
    nothing, total = read_from(parts, torch.zeros(5, 9, dtype=torch.bool))
    everything, _ = read_from(parts, torch.ones(5, 9, dtype=torch.bool))
    assert nothing.tolist() == [0, 0]
    assert torch.allclose(everything, total)


def test_all_parts_sum_to_what_the_head_writes(model: ClipModel, pixels: torch.Tensor) -> None:
    """Σ ⟨c[n], c⟩ = ‖c‖², where c is z, as the forward pass itself has it, times what z writes."""
    reading = read_tokens(model, pixels, HEADS, write_products(model.tower))
    outputs: dict[int, torch.Tensor] = {}

    def keep(layer: int, *tensors: torch.Tensor) -> None:
        outputs[layer] = tensors[-1][:, :, 0].double()  # z of the class token, [B, H, d_head]

    with torch.no_grad():
        run_tower(model.tower, pixels, keep=keep)
    _, writes = value_output_factors(model.tower)
    for column, (layer, head) in enumerate(HEADS):
        c = outputs[layer][:, head] @ writes[layer * model.architecture.heads + head]
        assert torch.allclose(reading.parts[:, column].sum(-1).double(), c.square().sum(-1))
    assert torch.equal(reading.weights, class_token_attention(model, pixels, HEADS))
    assert reading.lengths.shape == (3, 65)


def test_the_length_that_is_planted_is_the_length_that_is_seen(
    model: ClipModel, pixels: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A patch that enters with a stream made 40 times longer is the outlier of its image."""
    from clipheads.model import tower

    original = tower.tokens_of

    def planted(vision: tower.VisionTower, images: torch.Tensor) -> torch.Tensor:
        x = original(vision, images).clone()
        x[0, 1 + 10] *= 40
        return x

    monkeypatch.setattr(tower, "tokens_of", planted)
    reading = read_tokens(model, pixels, HEADS, write_products(model.tower))
    outliers = outlier_patches(reading.lengths[:, 1:])
    assert outliers[0].nonzero().tolist() == [[10]]
    chosen = torch.nn.functional.pad(outliers, (1, 0))
    some, total = read_from(reading.parts[:1], chosen[:1])
    assert torch.allclose(some, reading.parts[0, :, 11])
    assert torch.allclose(total, reading.parts[0].sum(-1))


def test_a_head_that_reads_outliers_carries_a_warning(tmp_path: Path) -> None:
    atlas = write_bundle(tmp_path / "atlas", images=3, layers=1, heads=3)
    with few_published_heads():
        generate_site(atlas, tmp_path / "site")
    pages = [(tmp_path / f"site/demo-clip/L0.H{h}/index.html").read_text() for h in range(3)]
    assert ["Read these maps with care" in page for page in pages] == [False, False, True]
    assert "25% of what this head reads comes from" in pages[2]
    assert all("6 of 640 patches in 10 images are" in page for page in pages)
