"""`python -m headatlas`, the same as `head-atlas`."""

from headatlas.border import main

main()
