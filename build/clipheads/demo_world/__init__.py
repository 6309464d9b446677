"""The demo world: scenes with their ground truth, and the CLIP that is trained on them."""
