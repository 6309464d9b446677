"""The site on disk: written, checked and served."""
