"""The static site of the atlas: from bundles on disk to pages, without torch or a server."""
