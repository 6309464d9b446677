"""The images of a gallery: found, read, written for pages, and transformed."""
