"""Ids of traces and spans."""

import random
import subprocess
import sys

from tracestitch.ids import SystemIdGenerator


def test_an_app_that_seeds_random_has_ids_of_its_own_in_each_run() -> None:
    generator = SystemIdGenerator()
    random.seed(1)
    first = generator.generate_trace_id()
    random.seed(1)
    assert first != generator.generate_trace_id()


# In a process of its own: the one that runs the tests may have threads, and must not fork.
FORKING = """
import os
from tracestitch.ids import SystemIdGenerator

generator = SystemIdGenerator()
child = os.fork()
if child:
    os.waitpid(child, 0)
print(generator.generate_span_id(), flush=True)
"""


def test_a_forked_process_does_not_repeat_its_parents_ids() -> None:
    said = subprocess.run((sys.executable, "-c", FORKING), capture_output=True, text=True, check=True)
    assert len(set(said.stdout.split())) == 2
