"""The demo world: scenes that know their own truth, and the CLIP that is trained on them."""
