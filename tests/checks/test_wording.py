"""Numbers as a reader expects them."""

from __future__ import annotations

import pytest

from tracestitch_collector.checks import wording


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        (400_000, "0.4 ms"),
        (62_600_000, "63 ms"),
        (1_240_000_000, "1.24 s"),
        (52_590_000_000, "52.6 s"),
        (90_000_000_000, "1.5 min"),
        (8 * 3_600_000_000_000, "8.0 h"),
    ],
)
def test_a_duration_has_as_many_figures_as_matter(ns: int, said: str) -> None:
    assert wording.duration(ns) == said
