"""The search ranks heads by their signed share of what the model tells apart along a text."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from headatlas.template_files import templates_folder

DRIVER = Path(__file__).with_name("analyse_with_node.mjs")
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

IMAGES, TERMS, RANK = 40, 5, 6


def _case(terms, text, length=1.0):
    """Terms [N, T, r] of a model, all in one space, and a text [r] in it."""
    norms = np.linalg.norm(terms, axis=-1)
    directions = terms / np.where(norms > 0, norms, 1)[..., None]
    return {
        "images": len(terms),
        "heads": terms.shape[1],
        "rank": terms.shape[2],
        "directions": directions.transpose(1, 0, 2).ravel().tolist(),
        "norms": norms.T.ravel().tolist(),
        "query": np.tile(text, terms.shape[1]).tolist(),
        "length": length,
        "whole": (terms.sum(axis=1) @ text).tolist(),
    }


@pytest.fixture
def shares(tmp_path):
    """The shares that the browser's own module gives, for each case."""

    def run(*cases):
        (tmp_path / "cases.json").write_text(json.dumps(cases))
        modules = templates_folder() / "static" / "search"
        done = subprocess.run(
            ["node", DRIVER, modules, tmp_path / "cases.json"], capture_output=True, check=True
        )
        return json.loads(done.stdout)

    return run


def test_the_shares_of_all_terms_add_up_to_one_along_any_text(shares):
    rng = np.random.default_rng(0)
    cases = [
        _case(rng.standard_normal((IMAGES, TERMS, RANK)) * rng.uniform(0.1, 9), text)
        for text in rng.standard_normal((20, RANK))
    ]
    for found in shares(*cases):
        assert sum(found) == pytest.approx(1, abs=1e-5)


def test_a_share_is_the_covariance_with_the_model_over_its_variance(shares):
    rng = np.random.default_rng(1)
    terms, text = rng.standard_normal((IMAGES, TERMS, RANK)), rng.standard_normal(RANK)
    written = terms @ text
    whole = written.sum(axis=1)
    expected = [np.cov(one, whole, bias=True)[0, 1] / whole.var() for one in written.T]
    (found,) = shares(_case(terms, text))
    assert found == pytest.approx(expected, abs=1e-5)
    assert min(expected) < max(expected)


def test_a_head_that_works_against_the_model_has_a_negative_share(shares):
    rng = np.random.default_rng(2)
    terms, text = np.zeros((IMAGES, 3, RANK)), np.eye(RANK)[0]
    terms[:, 0, 0] = rng.standard_normal(IMAGES)
    terms[:, 1] = -0.5 * terms[:, 0]
    terms[:, 2, 1] = 100 * rng.standard_normal(IMAGES)  # loud, but across the text
    (found,) = shares(_case(terms, text))
    assert found == pytest.approx([2, -1, 0], abs=1e-5)


def test_a_constant_says_nothing_and_a_model_that_never_varies_has_no_shares(shares):
    terms, text = np.zeros((IMAGES, 2, RANK)), np.eye(RANK)[0]
    terms[:, 0, 0] = 3
    terms[:, 1, 0] = np.arange(IMAGES)
    assert shares(_case(terms, text))[0] == pytest.approx([0, 1], abs=1e-5)
    terms[:, 1, 0] = 1
    assert shares(_case(terms, text)) == [[0, 0]]


def test_a_share_does_not_depend_on_the_length_of_the_text(shares):
    rng = np.random.default_rng(3)
    terms, text = rng.standard_normal((IMAGES, TERMS, RANK)), rng.standard_normal(RANK)
    short, long = shares(_case(terms, text), _case(terms, 7 * text, 7.0))
    assert short == pytest.approx(long, abs=1e-5)
