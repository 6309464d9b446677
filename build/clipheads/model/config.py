"""Reads the `open_clip_config.json` of a model folder, and lets only known settings through.

A model folder often comes from somebody else. open_clip hands what its configuration says to its
constructors and to the `transformers` library, which can be made to run Python of that very
folder. So a folder may only say what is listed here: the shape of the two towers, and how
pictures are prepared. Its texts are tokenized by CLIP's own tokenizer.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.errors import ModelError

CONFIG = "open_clip_config.json"

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Ratio = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
Value = Annotated[float, Field(ge=-1000, le=1000, allow_inf_nan=False)]


class _Settings(BaseModel):
    """What open_clip acts upon: any other name is an error."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Norm(_Settings):
    eps: Ratio = 1e-5
    elementwise_affine: bool = True


class _Activation(_Settings):
    approximate: Literal["none", "tanh"] = "none"


class _Tower(_Settings):
    width: Count = 1
    mlp_ratio: Ratio = 4.0
    ls_init_value: Value | None = None
    final_ln_after_pool: bool = False
    pool_type: str = ""
    output_tokens: Literal[False] = False
    act_kwargs: _Activation | None = None
    norm_kwargs: _Norm | None = None
    block_type: str | None = None
    qk_norm: bool = False
    scaled_cosine_attn: bool = False
    scale_heads: bool = False
    scale_attn_inner: bool = False
    scale_attn: bool = False
    scale_fc: bool = False


class _Vision(_Tower):
    layers: Count | list[Count] = 1
    head_width: Count = 1
    patch_size: Count = 1
    image_size: Count | Annotated[list[Count], Field(min_length=2, max_length=2)] = 1
    patch_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    attentional_pool: bool = False
    attn_pooler_queries: Count = 1
    attn_pooler_heads: Count = 1
    no_ln_pre: bool = False
    pos_embed_type: str = ""
    # Of a timm trunk, which is refused afterwards with the true reason.
    timm_model_name: str | None = None
    timm_model_pretrained: bool = False
    timm_pool: str = ""
    timm_proj: str | None = None
    timm_proj_bias: bool = False
    timm_drop: float = 0.0
    timm_drop_path: float | None = None


class _Text(_Tower):
    context_length: Count = 1
    vocab_size: Count = 1
    heads: Count = 1
    layers: Count = 1
    embed_cls: bool = False
    pad_id: Annotated[int, Field(ge=0)] = 0
    eos_id: Annotated[int, Field(ge=0)] = 0
    no_causal_mask: bool = False
    proj_bias: bool = False
    proj_type: str = ""
    hf_tokenizer_name: Any = None
    hf_model_name: Any = None
    tokenizer_kwargs: Any = None
    tokenizer_mode: Any = None

    @field_validator("hf_tokenizer_name", "hf_model_name", "tokenizer_kwargs", "tokenizer_mode")
    @classmethod
    def _nothing_of_transformers(cls, value: object) -> object:
        if value:
            raise ValueError(
                "a folder cannot choose a tokenizer or text model of the transformers library, "
                "which may run Python of the folder"
            )
        return value


class _Model(_Settings):
    embed_dim: Count
    vision_cfg: _Vision
    text_cfg: _Text
    quick_gelu: bool = False
    custom_text: bool = False
    init_logit_scale: Value = 1.0
    init_logit_bias: Value | None = None
    nonscalar_logit_scale: bool = False


class _Preprocessing(BaseModel):
    """open_clip passes over other names."""

    model_config = ConfigDict(strict=True)

    mode: Literal["RGB"] | None = None
    mean: Annotated[list[Value], Field(min_length=3, max_length=3)] | None = None
    std: Annotated[list[Ratio], Field(min_length=3, max_length=3)] | None = None
    interpolation: Literal["bicubic", "bilinear", "random"] | None = None
    resize_mode: Literal["shortest", "longest", "squash"] | None = None
    fill_color: Annotated[int, Field(ge=0, le=255)] | None = None


class _File(BaseModel):
    model_cfg: _Model
    preprocess_cfg: _Preprocessing | None = None


def read_model_config(folder: Path) -> dict[str, Any]:
    """Return the `model_cfg` of a model folder, with the settings that it gives and no default.

    Raises:
        ModelError: if the file is missing or no JSON, lacks a tower, or says something that is
            not listed here.
    """
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{folder} has no {CONFIG}, so it is no open_clip model folder")
    described = read_record(
        folder / CONFIG,
        _File,
        remedy="a model description has model_cfg with embed_dim, vision_cfg and text_cfg",
        error=ModelError,
    )
    return described.model_cfg.model_dump(exclude_unset=True)
