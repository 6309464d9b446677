"""Labels against the truth: what is right, what is too narrow, what chance would give."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from misbehaving_server import KEY, MisbehavingServer, Request, completion

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.labels import Label
from clipheads.bundle.progress import Silent
from clipheads.demo_world.truth.label_truth import is_right, label_truth
from clipheads.demo_world.truth.labelling_methods import label_by_count
from clipheads.labels.chat.settings import ChatSettings
from clipheads.labels.in_context import ask_labels
from clipheads.texts.pools import Description, read_descriptions
from clipheads.truth.shared_attribute import shared_attribute

PARENTS = {"bird": "animal", "animal": "object", "colour": "background", "pattern": "background"}
TRUTH = {
    "L0.H0": "object",
    "L0.H1": "colour",
    "L0.H2": "background",
    "L0.H3": None,
    "L0.H4": "object",
}
VARIANCE = {"L0.H0": 5.0, "L0.H1": 3.0, "L0.H2": 1.0, "L0.H3": 100.0, "L0.H4": 1.0}


def test_the_true_property_and_wider_ones_are_right_and_narrower_ones_are_not() -> None:
    assert is_right("Objects", "object", PARENTS)
    assert is_right("background", "colour", PARENTS)
    assert not is_right("bird", "object", PARENTS)
    assert not is_right("pattern", "colour", PARENTS)


def test_mixed_heads_are_not_judged_and_unlabelled_ones_are_not_right() -> None:
    labels = {
        "L0.H0": "object",
        "L0.H1": "background",
        "L0.H2": "colour",
        "L0.H3": "object",
        "L0.H4": None,
    }
    found = label_truth("explained", labels, TRUTH, VARIANCE, PARENTS)

    assert (found.heads, found.labelled, found.right) == (4, 3, 2)
    assert found.right_variance == pytest.approx(0.8)
    assert found.too_narrow == 1


def test_a_label_of_another_group_is_wrong_but_not_too_narrow() -> None:
    labels = dict.fromkeys(TRUTH, "bird")
    found = label_truth("explained", labels, TRUTH, VARIANCE, PARENTS)

    assert found.right == 0
    assert found.too_narrow == 2  # the two heads of objects


def test_chance_is_the_mean_over_all_ways_to_deal_the_same_labels() -> None:
    labels = {
        "L0.H0": "object",
        "L0.H1": "background",
        "L0.H2": "colour",
        "L0.H3": None,
        "L0.H4": "bird",
    }
    judged = [head for head, true in TRUTH.items() if true]
    dealt = [
        label_truth(
            "explained",
            dict(zip(judged, order, strict=True)) | {"L0.H3": None},
            TRUTH,
            VARIANCE,
            PARENTS,
        ).right
        for order in itertools.permutations(labels[head] for head in judged)
    ]
    chance = label_truth("explained", labels, TRUTH, VARIANCE, PARENTS).chance

    assert chance == pytest.approx(sum(dealt) / len(dealt), abs=0.01)


def test_without_labels_there_is_no_chance_and_nothing_is_right() -> None:
    found = label_truth(
        "explained", dict.fromkeys(TRUTH), TRUTH, VARIANCE, PARENTS, dict.fromkeys(TRUTH)
    )

    assert (found.labelled, found.right, found.chance) == (0, 0, None)
    assert found.same_label == 1


def test_a_reader_who_counts_needs_three_texts_of_a_property() -> None:
    two = [Description("a", "bird"), Description("b", "bird"), Description("c", "colour")]

    assert label_by_count(two) is None
    assert label_by_count([*two, Description("d", "bird")]) == "bird"
    assert label_by_count([Description("e")] * 5) is None


def test_images_that_share_a_rare_value_are_named_by_it() -> None:
    attributes = {
        "colour": ["red"] * 2 + ["blue"] * 98,
        "style": ["plain"] * 90 + ["sepia"] * 10,
    }

    # All eight are plain, which is nothing remarkable; but both red ones are among them.
    assert shared_attribute(range(8), attributes) == "colour"
    # Eight of the ten sepia pictures.
    assert shared_attribute(range(92, 100), attributes) == "style"


def test_a_language_model_that_only_counts_labels_as_the_reader_who_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule of in-context labelling, through the real client; the server reads the pool."""
    pool = read_descriptions(data_file("demo", "descriptions.csv"))
    property_of_text = {description.text: description.property for description in pool}
    rng = np.random.default_rng(0)
    heads = {
        f"L0.H{head}": [pool[row] for row in rng.permutation(len(pool))[:10]] for head in range(6)
    }

    def count(handler: Any, request: Request) -> None:
        texts = re.findall(r"^\d+\. (.*)$", request.question, re.MULTILINE)
        found = label_by_count([Description(text, property_of_text[text]) for text in texts])
        handler.send(200, completion(json.dumps({"reason": "Counted.", "label": found})))

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with MisbehavingServer(always=count) as server:
        labels = ask_labels(
            {head: [description.text for description in texts] for head, texts in heads.items()},
            ChatSettings(server=server.url),
            tmp_path / "answers",
            Silent(),
        )

    expected = {head: label_by_count(texts) for head, texts in heads.items()}
    assert {
        head: label.text for head, label in labels.items() if isinstance(label, Label)
    } == expected
    assert len(set(expected.values())) > 1
