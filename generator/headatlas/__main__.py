"""`python -m headatlas`, the same as `head-atlas`."""

from headatlas.commands.border import main

main()
