"""Labels by in-context learning: what is asked, what is kept, and how an answer is read."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from in_context_runs import HEADS, Recorder, run
from misbehaving_server import (
    MisbehavingServer,
    label,
    say,
)

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.labels import Label
from clipheads.labels import in_context_prompts
from clipheads.labels.chat.client import Unanswered
from clipheads.labels.chat.settings import ChatSettings
from clipheads.labels.in_context import (
    ask_matching,
    in_context_labeller,
    in_context_record,
)
from clipheads.labels.in_context_prompts import (
    LONGEST_LABEL,
    LONGEST_REASON,
    PROMPT_VERSION,
    label_question,
    matching_question,
)
from clipheads.labels.labeller import Labeller
from clipheads.texts.pools import Description, read_descriptions


def labeller(server: MisbehavingServer, answers: Path) -> Labeller:
    return in_context_labeller(ChatSettings(server=server.url), answers, Recorder())


def test_each_head_is_asked_once_at_temperature_zero_with_a_strict_schema(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    progress = Recorder()
    labels = run(server, tmp_path, progress=progress)
    assert list(labels) == list(HEADS)
    assert [label.text for label in labels.values()] == [f"kind{index}" for index in range(6)]
    assert labels["L11.H3"] == Label(text="kind3", confidence=None, reason="They say kind3.")
    assert (progress.done, progress.total, progress.notes) == (6, 6, [])
    assert set(server.requests_by_question().values()) == {1}
    body = server.requests[0].body
    assert (body["model"], body["temperature"]) == ("test-model", 0)
    form = body["response_format"]
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    schema = form["json_schema"]["schema"]
    assert schema["additionalProperties"] is False
    assert sorted(schema["required"]) == sorted(schema["properties"]) == ["label", "reason"]
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", *["user", "assistant"] * 5, "user"]


def test_a_repeated_run_asks_nothing_and_needs_no_key(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(server, tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert run(server, tmp_path) == first
    assert len(server.requests) == len(HEADS)


def test_another_model_or_prompt_version_is_asked_anew(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = {"L0.H0": ["a red car"]}
    run(server, tmp_path, head)
    run(server, tmp_path, head, model="another")
    monkeypatch.setattr(in_context_prompts, "PROMPT_VERSION", "next")
    run(server, tmp_path, head)
    assert [request.body["model"] for request in server.requests] == [
        "test-model",
        "another",
        "test-model",
    ]


def test_heads_with_the_same_descriptions_share_one_question(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    progress = Recorder()
    labels = run(server, tmp_path, {"L0.H0": ["a", "b"], "L0.H1": ["a", "b"]}, progress=progress)
    assert labels["L0.H0"] == labels["L0.H1"]
    assert (len(server.requests), progress.done) == (1, 2)


def test_a_head_without_descriptions_is_not_asked_about(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    labels = run(server, tmp_path, {"L0.H0": []})
    assert labels["L0.H0"].text is None
    assert "does not vary" in labels["L0.H0"].reason
    assert server.requests == []


def test_a_damaged_file_of_the_cache_is_asked_anew(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    first = run(server, tmp_path)
    files = sorted(tmp_path.rglob("*.json"))
    files[0].write_text('{"answer": "{"', encoding="utf-8")
    files[1].write_bytes(b"\xff")
    assert run(server, tmp_path) == first
    assert len(server.requests) == len(HEADS) + 2


def test_a_cache_that_cannot_be_written_is_one_line(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(AtlasError, match="cannot write there"):
        run(server, place)
    assert server.requests == []


def test_no_property_in_common_is_an_answer_and_is_kept(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.acts["kind2"] = [say('{"reason": "Nothing is shared.", "label": null}')]
    progress = Recorder()
    labels = run(server, tmp_path, progress=progress)
    assert labels["L11.H2"] == Label(text=None, confidence=None, reason="Nothing is shared.")
    assert run(server, tmp_path) == labels
    assert (len(server.requests), progress.notes) == (6, [])


def test_a_label_is_freed_of_quotes_and_full_stop(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.acts["kind2"] = [label(' "Body  parts." ')]
    assert run(server, tmp_path)["L11.H2"].text == "Body parts"


def test_a_long_reason_is_cut_and_freed_of_what_a_reader_cannot_see(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.acts["kind2"] = [say(json.dumps({"reason": "so " * 200_000, "label": "colour"}))]
    server.acts["kind3"] = [
        say(json.dumps({"reason": "\x1b[31mred\u202e\n.", "label": "co\u200blo\x1bur"}))
    ]

    labels = run(server, tmp_path)

    assert len(labels["L11.H2"].reason) <= LONGEST_REASON
    assert labels["L11.H2"].reason.endswith("…")
    assert labels["L11.H3"] == Label(text="colo ur", confidence=None, reason="[31mred .")


def test_json_in_a_fence_is_read(server: MisbehavingServer, tmp_path: Path) -> None:
    server.acts["kind2"] = [say('Sure:\n```json\n{"reason": "x", "label": "colour"}\n```')]
    assert run(server, tmp_path)["L11.H2"].text == "colour"


def test_a_run_without_any_answer_is_an_error_and_no_labels(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.always = say("the label is colour")
    heads = {"L0.H0": [Description("a red car", None)], "L0.H1": []}

    with pytest.raises(AtlasError, match=r"no question about a label got an answer \(L0\.H0: "):
        labeller(server, tmp_path)(heads, tmp_path)


def test_heads_without_an_answer_are_named_beside_the_labels(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.acts["blue"] = [say("the label is colour")]
    heads = {
        "L0.H0": [Description("a red car", None)],
        "L0.H1": [Description("a blue car", None)],
        "L0.H2": [],
    }

    found = labeller(server, tmp_path)(heads, tmp_path)

    assert found.unanswered == {"L0.H1": "The answer is not JSON."}
    assert [label.text for label in found.labels.values()] == ["car", None, None]
    assert found.matching == {"L0.H0": [True], "L0.H1": [False], "L0.H2": []}


def test_a_head_whose_descriptions_are_not_judged_keeps_its_label_and_says_so(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.acts["Property: car"] = [say("all of them")]

    found = labeller(server, tmp_path)({"L0.H0": [Description("a red car")]}, tmp_path)

    assert found.labels["L0.H0"] == Label(
        text="car",
        confidence=None,
        reason="They say car. Its descriptions are not judged: The answer is not JSON.",
    )
    assert (found.matching, found.unanswered) == ({"L0.H0": [False]}, {})


def test_the_judge_says_of_each_description_whether_it_shows_the_label(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    texts = ["a colour", "a cat", "another colour"]
    for _ in range(2):
        matching = ask_matching(
            {"L0.H0": ("colour", texts), "L0.H1": ("colour", [])},
            ChatSettings(server=server.url),
            tmp_path,
            Recorder(),
        )
        assert matching == {"L0.H0": [True, False, True], "L0.H1": []}
    assert len(server.requests) == 1


VERDICTS = {
    "too few": [{"number": 1, "shows": True}],
    "one twice": [{"number": 1, "shows": True}, {"number": 1, "shows": True}],
    "words": [{"number": 1, "shows": "yes"}, {"number": 2, "shows": "no"}],
}


@pytest.mark.parametrize("verdicts", VERDICTS.values(), ids=VERDICTS)
def test_verdicts_that_do_not_fit_the_descriptions_are_no_answer(
    server: MisbehavingServer, tmp_path: Path, verdicts: list[dict[str, object]]
) -> None:
    heads = {"L0.H0": ("cat", ["a cat", "a dog"]), "L0.H1": ("dog", ["a cat", "a dog"])}
    server.acts["Property: cat"] = [say(json.dumps({"verdicts": verdicts}))]
    progress = Recorder()

    def judge() -> dict[str, list[bool] | Unanswered]:
        return ask_matching(heads, ChatSettings(server=server.url), tmp_path, progress)

    first = judge()
    assert isinstance(first["L0.H0"], Unanswered)
    assert first["L0.H0"].reason
    assert first["L0.H1"] == [False, True]
    assert progress.notes[0].startswith("association: 1 of 2 heads got no answer (L0.H0: ")
    assert judge()["L0.H0"] == [True, False]
    assert sorted(server.requests_by_question().values()) == [1, 2]


def test_the_examples_are_five_heads_described_from_the_pool() -> None:
    pool = {row.text for row in read_descriptions(data_file("descriptions", "general.csv"))}
    examples = json.loads(data_file("incontext", "examples.json").read_text(encoding="utf-8"))
    assert len(examples) == 5
    assert len({example["label"] for example in examples}) == 5
    for example in examples:
        assert set(example) == {"descriptions", "label", "reason"}
        assert set(example["descriptions"]) <= pool
        assert 0 < len(example["label"].split()) <= LONGEST_LABEL
        assert example["reason"]


def test_an_example_reads_as_an_answer_that_would_be_accepted(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    run(server, tmp_path, {"L0.H0": ["a"]})
    messages: Sequence[dict[str, str]] = server.requests[0].body["messages"]
    given = [message["content"] for message in messages if message["role"] == "assistant"]
    for index, content in enumerate(given):
        server.acts[f"echo {index}"] = [say(content)]
    labels = run(server, tmp_path, {str(index): [f"echo {index}"] for index in range(len(given))})
    assert [label.text for label in labels.values()] == [json.loads(one)["label"] for one in given]


def test_the_record_names_model_and_prompt_version() -> None:
    record = in_context_record("some-model")
    assert (record.kind, record.model) == ("openai", "some-model")
    assert record.prompt_version == PROMPT_VERSION
    assert "some-model" in record.method


def test_answers_that_were_paid_for_stay_valid() -> None:
    """The name of an answer hangs on the prompt alone; whoever changes it raises the version."""
    texts = ["a red car", "muted tones"]
    assert label_question(texts).key("gpt-4o-mini") == (
        "7fa9328fff380a96a3644c15d619c735f6fda207b0947cedd84bb53d0b55abfb"
    )
    assert matching_question("colour", texts).key("gpt-4o-mini") == (
        "393c644d46b5bd1e9e1c9d4b6e06321debcbcfd808f136a5da62a3241522d236"
    )
