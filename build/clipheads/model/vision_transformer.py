"""The vision transformer of open_clip: which of them can be decomposed exactly, and how.

They read their embedding from a class token and have the standard attention.
"""

from typing import Any

from torch import Tensor, nn

from clipheads.bundle.model import Architecture
from clipheads.model.tower import Block, VisionTower


def why_unsupported(config: dict[str, Any]) -> str:
    """Return what stands against an exact decomposition; an empty string if nothing does.

    Args:
        config: of open_clip, with `vision_cfg`.
    """
    vision = config["vision_cfg"]
    custom = ("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn")
    if vision.get("timm_model_name"):
        return f"its vision tower is a timm trunk ({vision['timm_model_name']})"
    if isinstance(vision.get("layers"), list | tuple):
        return "its vision tower is a ResNet with attentional pooling, not a vision transformer"
    if vision.get("attentional_pool"):
        return "it pools with attention instead of reading the class token"
    if vision.get("pool_type", "tok") == "avg":
        return "it pools by averaging patches instead of reading the class token"
    if vision.get("pool_type", "tok") != "tok":
        return "it does not read its embedding from the class token"
    size = vision.get("image_size")
    if isinstance(size, list | tuple) and len(set(size)) != 1:
        return f"its pictures are not square ({' x '.join(map(str, size))} pixels)"
    used = [option for option in (*custom, "scale_fc") if vision.get(option)]
    if used or vision.get("block_type", "default") not in (None, "default"):
        return f"its attention blocks are not the standard ones ({', '.join(used) or 'custom'})"
    if not (vision.get("norm_kwargs") or {}).get("elementwise_affine", True):
        return "its final LayerNorm has no weights"
    return ""


def architecture_of(visual: Any) -> Architecture:
    """Describe the shape of a vision tower of open_clip."""
    blocks = visual.transformer.resblocks
    heads = blocks[0].attn.num_heads
    width = visual.transformer.width
    rows, columns = visual.grid_size
    return Architecture(
        layers=len(blocks),
        heads=heads,
        d_head=width // heads,
        width=width,
        embedding_dim=visual.output_dim,
        image_size=visual.image_size[0],
        patch_size=visual.patch_size[0],
        grid=(rows, columns),
        quick_gelu=type(blocks[0].mlp.gelu).__name__ == "QuickGELU",
        parameters=sum(parameter.numel() for parameter in visual.parameters()),
    )


def tower_of(visual: Any) -> VisionTower:
    """Describe a vision tower of open_clip in the normal form; its tensors are the module's own."""
    return VisionTower(
        patches=visual.conv1,
        class_embedding=visual.class_embedding,
        positions=visual.positional_embedding,
        patch_dropout=visual.patch_dropout,
        input_norm=None if isinstance(visual.ln_pre, nn.Identity) else visual.ln_pre,
        blocks=[block_of(block) for block in visual.transformer.resblocks],
        norm=visual.ln_post,
        projection=visual.proj,
    )


def block_of(block: Any) -> Block:
    """Describe a `ResidualAttentionBlock` of open_clip, of either tower, in the normal form."""
    return Block(
        heads=block.attn.num_heads,
        attention_norm=block.ln_1,
        qkv_weight=block.attn.in_proj_weight,
        qkv_bias=block.attn.in_proj_bias,
        out_weight=block.attn.out_proj.weight,
        out_bias=block.attn.out_proj.bias,
        attention_scale=_layer_scale(block.ls_1),
        mlp_norm=block.ln_2,
        mlp_in=block.mlp.c_fc,
        activation=block.mlp.gelu,
        mlp_out=block.mlp.c_proj,
        mlp_scale=_layer_scale(block.ls_2),
    )


def _layer_scale(module: Any) -> Tensor | None:
    gamma: Tensor | None = getattr(module, "gamma", None)
    return gamma
