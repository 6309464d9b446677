"""Pages as values: one file for each kind, with the stem of its template."""
