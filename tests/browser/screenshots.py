"""Pictures of a running dashboard for the README: `python -m tests.browser.screenshots http://127.0.0.1:4380`.

Writes docs/images/{timeline,overview,findings}-{light,dark}.png.
"""

from __future__ import annotations

import argparse
import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.support.browser import chromium, watched

IMAGES = Path(__file__).resolve().parents[2] / "docs/images"
OPERATION = "POST /checkout"


def twin(origin: str, path: str, **query: str) -> Any:
    address = f"{origin}{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(address, timeout=30) as answer:
        return json.load(answer)


def best_trace(origin: str, operation: str) -> str:
    """Of the newest traces of the operation the one with most services, findings and log records."""
    found = twin(origin, "/traces.json", operation=operation, range="24h", limit="50")["traces"]
    if not found:
        raise SystemExit(f"no trace of {operation} in the last 24 hours at {origin}; start the demo first")
    chosen = max(found, key=lambda trace: (len(trace["services"]), trace["findings"], trace["log_count"]))
    return str(chosen["trace_id"])


def telling_row(origin: str, trace_id: str) -> str:
    """A row with a finding, to show in the panel: a folded run before anything else."""
    rows = twin(origin, f"/traces/{trace_id}/rows.json")["rows"]
    marked = [row for row in rows if "f" in row]
    folded = [row for row in marked if row["k"] == "repeat"]
    return str((folded or marked or rows)[0]["id"])


def settle(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    page.mouse.move(0, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("origin", help="address of the dashboard")
    parser.add_argument("--operation", default=OPERATION, help=f"whose trace to show (default: {OPERATION})")
    parser.add_argument("--to", type=Path, default=IMAGES, help="folder for the pictures")
    given = parser.parse_args()
    origin = given.origin.rstrip("/")
    trace_id = best_trace(origin, given.operation)
    pages = {
        "timeline": f"/traces/{trace_id}?span={telling_row(origin, trace_id)}",
        "overview": "/",
        "findings": "/findings",
    }
    given.to.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for dark in (False, True):
            for name, path in pages.items():
                with watched(browser, origin, dark=dark) as (page, watch):
                    page.goto(path)
                    settle(page)
                    page.screenshot(path=given.to / f"{name}-{'dark' if dark else 'light'}.png")
                    if watch.complaints:
                        raise SystemExit(f"{path}: {'; '.join(watch.complaints)}")


if __name__ == "__main__":
    main()
