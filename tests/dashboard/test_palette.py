"""Colours of services."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from tracestitch_dashboard import palette

CSS = Path(palette.__file__).parent / "static/css/tokens.css"

NORMAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
RED_BLIND = (
    (0.152286, 1.052583, -0.204868),
    (0.114503, 0.786281, 0.099216),
    (-0.003882, -0.048116, 1.051998),
)
GREEN_BLIND = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)
"""Machado, Oliveira and Fernandes (2009), full severity, on linear light."""

TO_LMS = ((0.4122, 0.5363, 0.0514), (0.2119, 0.6807, 0.1074), (0.0883, 0.2817, 0.6300))
TO_LAB = ((0.2105, 0.7936, -0.0041), (1.9780, -2.4286, 0.4506), (0.0259, 0.7828, -0.8087))

Vector = tuple[float, ...]


def times(matrix: tuple[Vector, ...], vector: Vector) -> Vector:
    return tuple(sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)


def linear(colour: str) -> Vector:
    parts = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
    return tuple(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)


def oklab(light: Vector) -> Vector:
    return times(TO_LAB, tuple(max(part, 0) ** (1 / 3) for part in times(TO_LMS, light)))


def test_any_two_colours_differ_for_everyone() -> None:
    for sight in (NORMAL, RED_BLIND, GREEN_BLIND):
        seen = [oklab(tuple(min(max(v, 0), 1) for v in times(sight, linear(c)))) for c in palette.COLOURS]
        for one, other in itertools.combinations(seen, 2):
            assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 0.1


def test_the_style_sheet_has_the_same_colours() -> None:
    assert re.findall(r"\.service-\d+ \{ --service: (#[0-9a-f]{6})", CSS.read_text()) == list(palette.COLOURS)


def test_a_service_keeps_its_colour_and_twelve_never_share() -> None:
    names = [f"service-{number}" for number in range(12)]
    colours = palette.assign(names)
    assert sorted(colours.values()) == list(range(12))
    assert palette.assign(reversed(names)) == colours


def test_a_trace_shows_services_as_everywhere_unless_two_would_clash() -> None:
    everywhere = {"a": 3, "b": 4, "c": 3}
    assert palette.within(["a", "b"], everywhere) == {"a": 3, "b": 4}
    moved = palette.within(["a", "c"], everywhere)
    assert moved["a"] == 3
    assert moved["c"] != 3


def test_more_services_than_colours_share_them() -> None:
    colours = palette.assign(f"s{number}" for number in range(40))
    assert len(colours) == 40
    assert palette.within(colours, colours) == colours


def test_a_newcomer_takes_no_colour_from_a_service_that_was_there() -> None:
    before = palette.assign(f"service-{number}" for number in range(8))
    after = palette.assign([f"newcomer-{number}" for number in range(4)], before)
    assert {name: after[name] for name in before} == before
    assert sorted(after.values()) == list(range(12))


def test_no_two_oranges_are_among_the_first_colours() -> None:
    def is_orange(colour: str) -> bool:
        red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
        return red > 150 and green > blue + 40 and red > green + 40

    assert sum(map(is_orange, palette.COLOURS[: palette.STRONG])) == 1
