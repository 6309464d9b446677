"""The texts that heads are compared with, and the taxonomy of their properties."""
