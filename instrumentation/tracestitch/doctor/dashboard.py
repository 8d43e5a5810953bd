"""The dashboard's JSON answers, and how the doctor finds out where the dashboard is."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tracestitch.transport import Transport, Unreachable

Document = Mapping[str, Any]


class NoAnswer(Exception):
    """The dashboard could not be asked, or did not answer as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a Tracestitch collector tells of itself at /agent; a foreign one tells nothing."""

    is_ours: bool = False
    time_ns: int = 0
    dashboard: str = ""
    dashboard_port: int = 0
    disk_free_bytes: int = 0
    disk_total_bytes: int = 0
    # By how much its clock is ahead of this one, and how far off that may be; None where it does not tell.
    ahead_ns: int | None = None
    uncertain_ns: int = 0


def about_from(document: object, asked_ns: int, answered_ns: int) -> About:
    if not isinstance(document, Mapping) or "settings_key" not in document:
        return About()

    def number(name: str) -> int:
        value = document.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    time_ns, dashboard = number("time_ns"), document.get("dashboard")
    return About(
        is_ours=True,
        time_ns=time_ns,
        dashboard=dashboard if isinstance(dashboard, str) else "",
        dashboard_port=number("dashboard_port"),
        disk_free_bytes=number("disk_free_bytes"),
        disk_total_bytes=number("disk_total_bytes"),
        ahead_ns=time_ns - (asked_ns + answered_ns) // 2 if time_ns else None,
        uncertain_ns=(answered_ns - asked_ns) // 2,
    )


def addresses(about: About, endpoint: str, given: str | None) -> list[str]:
    """Where the dashboard may be, the likeliest first."""
    if given:
        return [given.rstrip("/")]
    host = urlsplit(endpoint).hostname or ""
    shown = f"[{host}]" if ":" in host else host
    beside = [f"http://{shown}:{about.dashboard_port}"] if about.dashboard_port else []
    named = [about.dashboard.rstrip("/")] if about.dashboard.startswith(("http://", "https://")) else []
    return list(dict.fromkeys([*beside, *named]))


@dataclass(frozen=True, slots=True)
class Dashboard:
    url: str
    transport: Transport
    headers: Mapping[str, str]

    def get(self, path: str, **parameters: str | int) -> Document | None:
        """None where there is no such thing (404)."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        try:
            reply = self.transport.request(
                "GET", self.url + path + query, b"", {**self.headers, "accept": "application/json"}
            )
        except Unreachable as error:
            raise NoAnswer(f"{self.url} cannot be reached ({error})") from error
        if reply.status == 404:
            return None
        try:
            document = json.loads(reply.body) if reply.status == 200 else None
        except ValueError:
            document = None
        if not isinstance(document, Mapping):
            raise NoAnswer(f"{self.url}{path} answered {reply.status}")
        return document

    def items(self, path: str, name: str, **parameters: str | int) -> list[Document]:
        """The objects of a list in the answer."""
        document = self.get(path, **parameters) or {}
        found = document.get(name)
        return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []

    def trace(self, trace_id: str) -> Document | None:
        return self.get(f"/traces/{quote(trace_id, safe='')}.json")

    def problems(self) -> list[str]:
        """What the server's own processes complain of."""
        return [str(one.get("text", "")) for one in self.items("/status.json", "problems")]


def first_that_answers(
    candidates: Iterable[str], transport: Transport, headers: Mapping[str, str]
) -> tuple[Dashboard | None, Sequence[str]]:
    """The dashboard, or why each of the addresses is none."""
    failures = []
    for url in candidates:
        dashboard = Dashboard(url, transport, headers)
        try:
            if dashboard.get("/status.json") is not None:
                return dashboard, ()
            failures.append(f"{url} is no Tracestitch dashboard")
        except NoAnswer as error:
            failures.append(str(error))
    return None, failures
