"""The table of pages, in the order of the navigation, and the fragments that scripts ask for."""

from __future__ import annotations

from tracestitch_dashboard.page import Fragment, Page
from tracestitch_dashboard.pages import (
    arrival,
    finding,
    findings,
    inventories,
    logs,
    overview,
    runbooks,
    service,
    services,
    status,
    trace,
    traces,
)

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    traces.PAGE,
    trace.PAGE,
    findings.PAGE,
    finding.PAGE,
    services.PAGE,
    service.PAGE,
    logs.PAGE,
    status.PAGE,
    runbooks.PAGE,
)

FRAGMENTS: tuple[Fragment, ...] = (
    trace.ROWS,
    trace.PANEL,
    arrival.ARRIVAL,
    inventories.INVENTORIES,
)
