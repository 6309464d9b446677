"""What the paper published, and whether it can be recomputed."""
