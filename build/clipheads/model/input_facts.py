"""How a model prepares pictures and texts, as facts that another program can follow."""

from typing import Any

from clipheads.bundle.search import Preprocessing, Tokenizer
from clipheads.model.clip_model import ClipModel
from clipheads.model.open_clip_import import import_open_clip


def tokenizer_facts(model: ClipModel) -> Tokenizer | None:
    """Describe a model's tokenizer if it is CLIP's own; None if it is another."""
    tokenizer: Any = model.tokenize
    own = import_open_clip().SimpleTokenizer
    if not isinstance(tokenizer, own) or tokenizer.vocab_size != own().vocab_size:
        return None
    if tokenizer.reduction_fn is not None or tokenizer.clean_fn is not own().clean_fn:
        return None
    return Tokenizer(
        vocabulary_size=tokenizer.vocab_size,
        start_token=tokenizer.sot_token_id,
        end_token=tokenizer.eot_token_id,
        context_length=tokenizer.context_length,
    )


def preprocessing_facts(model: ClipModel) -> Preprocessing:
    """Describe how a model's pictures become pixels."""
    facts = model.clip.visual.preprocess_cfg
    return Preprocessing(
        image_size=model.architecture.image_size,
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        interpolation=facts["interpolation"],
        resize_mode=facts["resize_mode"],
        fill_color=facts["fill_color"],
    )
