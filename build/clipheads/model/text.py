"""Embed texts with a model's text tower."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from clipheads.bundle.errors import ModelError
from clipheads.model.clip_model import ClipModel


def embed_texts(model: ClipModel, texts: Sequence[str], batch_size: int = 256) -> Tensor:
    """Return unit text embeddings [n, D], float32 on the CPU.

    Raises:
        ModelError: if one is zero or not finite.
    """
    tokens = model.tokenize(list(texts)) if texts else torch.zeros(0, 1, dtype=torch.long)
    # Texts of like length go together, so that a batch is cut to what it needs.
    order = (tokens != 0).sum(dim=1).argsort(stable=True)
    embedded = torch.empty(len(texts), model.architecture.embedding_dim)
    with torch.no_grad():
        for start in range(0, len(texts), batch_size):
            chosen = order[start : start + batch_size]
            features = encode_text(model.clip, tokens[chosen].to(model.device)).float().cpu()
            if not features.isfinite().all() or not features.any(dim=1).all():
                raise ModelError(
                    f"{model.name}: the embedding of a text is zero or not finite; "
                    "the weights are damaged"
                )
            embedded[chosen] = normalize(features, dim=-1)
    return embedded


def texts_cut(model: ClipModel, texts: Sequence[str]) -> list[str]:
    """Return the texts that are longer than the model's context and lose their end.

    Only CLIP's own tokenizer gives lengths; with another the list is empty.
    """
    encode = getattr(model.tokenize, "encode", None)
    if encode is None or not texts:
        return []
    room = model.tokenize([""]).shape[1] - 2  # beside the start and the end token
    return [text for text in texts if len(encode(text)) > room]


def encode_text(clip: Any, tokens: Tensor) -> Tensor:
    """Encode tokens [n, context] as features [n, D], not of unit length; gradients pass.

    In CLIP's own text tower attention is causal and the end token is read out, so that nothing
    behind it has any influence: a description has 6 of 77 tokens on average. What is padding in
    all texts is cut off there.
    """
    tower = text_tower(clip)
    features: Tensor
    if why_not_clips_own(tower):
        features = clip.encode_text(tokens)
        return features
    ends = tokens.argmax(dim=-1)
    used = int(ends.max()) + 1
    x = tower.token_embedding(tokens[:, :used]) + tower.positional_embedding[:used]
    x = tower.transformer(x, attn_mask=tower.attn_mask[:used, :used])
    features = tower.ln_final(x)[torch.arange(len(tokens), device=tokens.device), ends]
    projection = tower.text_projection
    if isinstance(projection, nn.Linear):
        features = projection(features)
    elif projection is not None:
        features = features @ projection
    return features


def text_tower(clip: Any) -> Any:
    """Return the module that holds a model's text tower: its own, or the whole `CLIP`."""
    return getattr(clip, "text", clip)


def why_not_clips_own(tower: Any) -> str:
    """Return in what a text tower is unlike CLIP's own; an empty string if in nothing."""
    if not hasattr(tower, "token_embedding") or getattr(tower, "cls_emb", None) is not None:
        return "its text tower is not CLIP's own"
    pooling = getattr(tower, "text_pool_type", getattr(tower, "pool_type", ""))
    if pooling != "argmax" or tower.attn_mask is None:
        return "its text tower does not read the end token of causal attention"
    return ""
