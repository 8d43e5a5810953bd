"""`python -m tracestitch` is the command `tracestitch`."""

from tracestitch.command import main

main()
