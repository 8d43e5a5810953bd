"""docs/settings.md tells what is cut, as the decoder cuts it."""

from __future__ import annotations

from pathlib import Path

from tracestitch_collector.decode import cuts

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_names_every_limit_of_a_text() -> None:
    told = PAGE.read_text(encoding="utf-8").partition("## What is cut")[2]
    limits = {limit for what, limit in cuts.LIMITS.items() if what != "severity"}
    assert {limit for limit in limits if f"{limit:,}" not in told} == set()
    assert cuts.ATTRIBUTE_BYTES == cuts.EVENT_BYTES == 1024 * 1024
    assert "1 MiB; of a resource 16 KiB" in told
    assert cuts.RESOURCE_BYTES == 16 * 1024
