"""A real Chromium for tests: no sandbox (tests run as root), no network of its own, and a watch on what a page
does that it should not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, sync_playwright

from tests.support.parts import program

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-default-browser-check",
)
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 30_000
"""Generous: a test machine may be busy."""


@contextmanager
def chromium() -> Iterator[Browser]:
    path = program(*PROGRAMS, package="chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass(kw_only=True)
class Watch:
    """What went wrong on a page: errors on the console, requests to elsewhere, dialogs."""

    origin: str
    complaints: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console {message.type}: {message.text}")

    def request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if (
            parts.scheme in ("http", "https", "ws", "wss")
            and f"{parts.scheme}://{parts.netloc}" != self.origin
        ):
            self.complaints.append(f"request to {request.url}")

    def dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@contextmanager
def watched(
    browser: Browser, origin: str, *, dark: bool = False, javascript: bool = True, width: int = 1440
) -> Iterator[tuple[Page, Watch]]:
    """A page of its own context, and the watch on it."""
    context = browser.new_context(
        base_url=origin,
        viewport={"width": width, "height": 860},
        color_scheme="dark" if dark else "light",
        java_script_enabled=javascript,
        timezone_id="Europe/Berlin",
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    watch = Watch(origin=origin)
    page.on("console", watch.console)
    page.on("pageerror", lambda error: watch.complaints.append(f"error: {error}"))
    page.on("request", watch.request)
    page.on("dialog", watch.dialog)
    try:
        yield page, watch
    finally:
        context.close()
