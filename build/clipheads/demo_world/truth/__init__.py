"""How true the atlas of the demo CLIP is, measured on scenes."""
