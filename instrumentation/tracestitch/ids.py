"""Ids of traces and spans, from a random source of the agent's own."""

import os
from random import Random


class SystemIdGenerator:
    """Random ids of a source of our own: `random` itself may be seeded by the app, and then traces collide.

    The system seeds it once in each process; asking the system for every id would let another thread take the
    GIL at every span.
    """

    def __init__(self) -> None:
        self._random = Random(os.urandom(32))  # noqa: S311 - ids need to be unique, not secret
        # For who makes many: so many random bits, of which 0 is no id.
        self.bits = self._random.getrandbits
        os.register_at_fork(after_in_child=self._reseed)

    def generate_span_id(self) -> int:
        return self.bits(64) or 1

    def generate_trace_id(self) -> int:
        return self.bits(128) or 1

    def _reseed(self) -> None:
        self._random.seed(os.urandom(32))
