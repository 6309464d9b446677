"""The images: found, read, shown, and changed one thing at a time."""
