"""What the search page runs."""
