"""What the search page computes with: encoders, projections and search files."""
