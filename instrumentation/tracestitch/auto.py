"""`import tracestitch.auto`, the first line of a program, starts the agent where no command line can be changed."""

from tracestitch.agent import start

start()
