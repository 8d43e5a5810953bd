"""`/runbooks`: what each alert means and what to do about it. Alerts link to their sections."""

from __future__ import annotations

from typing import Any

from tracestitch_dashboard import runbooks
from tracestitch_dashboard.ask import Ask
from tracestitch_dashboard.page import Page
from tracestitch_dashboard.runbooks import Runbook


def load(_ask: Ask) -> tuple[Runbook, ...]:
    return runbooks.read(runbooks.SOURCE.read_text(encoding="utf-8"))


def to_document(found: tuple[Runbook, ...]) -> dict[str, Any]:
    return {
        "runbooks": [
            {
                "alert": runbook.name,
                "text": [
                    "".join(piece.text for piece in item) for block in runbook.blocks for item in block.items
                ],
            }
            for runbook in found
            if runbook.name
        ]
    }


PAGE = Page(
    name="Status",
    path="/runbooks",
    twin="/runbooks.json",
    template="runbooks.html",
    load=load,
    to_json=to_document,
)
