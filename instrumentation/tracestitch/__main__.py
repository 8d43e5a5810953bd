"""`python -m tracestitch` is the command `tracestitch`; so is `python FOLDER/tracestitch`, where the agent lies in a
folder that no interpreter knows, as `pip install --target` leaves it."""

import os
import sys

if not __package__:  # Python put this folder itself on the path, whose modules are named after libraries
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from tracestitch.command import main

main()
