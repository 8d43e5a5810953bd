"""What a page is: an address, a template, a twin, and the pure step between the store's answer and both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tracestitch_dashboard.ask import Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    name: str
    """In the navigation that it belongs to."""
    path: str
    twin: str
    template: str
    load: Callable[[Ask], Any]
    """Asks the store and returns what template and twin are made from. Runs in a thread. Raises PageError."""
    to_json: Callable[[Any], Any]
    parameters: tuple[str, ...] = ()
    """What its address may say beside the time range; anything else is refused, so that a slip is noticed."""
    in_navigation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """A piece of a page that the script asks for: HTML when it has a template, else JSON."""

    path: str
    load: Callable[[Ask], Any]
    template: str = ""
