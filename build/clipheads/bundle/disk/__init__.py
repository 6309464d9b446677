"""Files that a run reads, writes whole, owns and locks."""
