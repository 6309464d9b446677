"""Embeddings of texts are open_clip's own, whatever the text tower."""

from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import TINY, tiny_model

from clipheads.model.open_clip_import import import_open_clip
from clipheads.model.text import embed_texts, encode_text, texts_cut


def test_text_embeddings_are_unit_rows_of_open_clips_own(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny")
    texts = [f"a photo of {count} dogs" for count in range(7)]
    rows = embed_texts(model, texts, batch_size=3)
    assert rows.dtype == torch.float32
    assert rows.shape == (7, 48)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(7))
    expected = model.clip.encode_text(model.tokenize(texts), normalize=True)
    torch.testing.assert_close(rows, expected, rtol=0, atol=1e-6)
    assert embed_texts(model, []).shape == (0, 48)


def test_leaving_out_the_padding_changes_no_text_embedding(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny")
    texts = ["a cat", "two dogs on a red striped background at night", "a", "an owl"]
    with torch.no_grad():
        whole = torch.nn.functional.normalize(model.clip.encode_text(model.tokenize(texts)), dim=-1)

    assert torch.allclose(embed_texts(model, texts, batch_size=2), whole, atol=1e-6)
    assert embed_texts(model, []).shape == (0, model.architecture.embedding_dim)


@pytest.mark.parametrize(
    ("own_module", "text"),
    [
        (False, {}),
        (False, {"no_causal_mask": True}),
        (True, {}),
        (True, {"proj_bias": True}),
        (True, {"proj_type": "none", "width": 48, "heads": 2}),
        (True, {"pool_type": "first"}),
        (True, {"embed_cls": True, "pool_type": "last"}),
    ],
)
def test_every_kind_of_text_tower_is_read_as_open_clip_does(
    own_module: bool, text: dict[str, Any]
) -> None:
    open_clip = import_open_clip()
    kind = open_clip.CustomTextCLIP if own_module else open_clip.CLIP
    torch.manual_seed(0)
    clip = kind(**{**TINY, "text_cfg": {**TINY["text_cfg"], **text}}).eval()
    context = TINY["text_cfg"]["context_length"]
    tokens = open_clip.get_tokenizer("ViT-B-32", context_length=context)(["a cat", "two dogs"])
    with torch.no_grad():
        torch.testing.assert_close(
            encode_text(clip, tokens), clip.encode_text(tokens), rtol=0, atol=1e-5
        )


def test_texts_that_are_longer_than_the_context_are_named(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny")
    context = TINY["text_cfg"]["context_length"]
    whole, longer = "cat " * (context - 2), "cat " * (context - 1)
    assert texts_cut(model, [whole, longer, "a"]) == [longer]
    assert texts_cut(model, []) == []
