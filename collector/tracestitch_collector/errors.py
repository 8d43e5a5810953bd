"""The collector's errors.

TracestitchError
├── BadConfiguration   the process cannot start; exit code 78
└── Unavailable        the same call may succeed later
"""

from __future__ import annotations


class TracestitchError(Exception):
    """A text for people: what happened, with which value, and what to do."""


class BadConfiguration(TracestitchError):
    """The process cannot start as configured."""


class Unavailable(TracestitchError):
    """The same call may succeed later."""
