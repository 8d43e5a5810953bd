"""Where the terminal's answers come from: the dashboard's JSON twins over HTTP, or a data folder read offline.
Both give the same documents.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

from tracestitch_collector import plain
from tracestitch_collector.checking import INVENTORY_LOOKBACK_NS, gather
from tracestitch_collector.checks.catalogue import evaluate
from tracestitch_collector.checks.closing import seen_in
from tracestitch_collector.checks.finding import Finding, from_json, to_json
from tracestitch_collector.checks.ledger import judged, merge
from tracestitch_collector.checks.sampling import Limits, Sampler
from tracestitch_collector.errors import TracestitchError
from tracestitch_collector.settings import Settings
from tracestitch_collector.store.open import open_store
from tracestitch_collector.store.store import LogQuery, Store, TraceQuery, Window
from tracestitch_dashboard.pages.services import is_listed

Document: TypeAlias = dict[str, Any]
Given = TypeVar("Given")

TIMEOUT_S = 30
SETTLE_S = 2.0
FRESH_WITHIN_S = 20.0
LEVELS: Mapping[str, int] = {"debug": 5, "info": 9, "warn": 13, "error": 17}
LARGEST_ANSWER = 512 * 1024 * 1024


class AnswerError(TracestitchError):
    """There is nobody to ask, or what came back is no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a list is asked for; empty fields ask for everything."""

    since_s: int
    service: str = ""
    operation: str = ""
    text: str = ""
    errors_only: bool = False
    slowest: bool = False
    level: str = ""
    """The least severity of log records, by its name in LEVELS."""
    limit: int = 20


class Answers(Protocol):
    def findings(self) -> tuple[Finding, ...]:
        """All that are on record, those that went quiet too."""
        ...

    def checked(self, since_s: int) -> tuple[Finding, ...]:
        """Findings of an evaluation that has seen everything that had arrived by now; none that went quiet."""
        ...

    def trace(self, trace_id: str) -> Document | None: ...

    def traces(self, wanted: Wanted) -> Document: ...

    def logs(self, wanted: Wanted) -> Document: ...

    def services(self, wanted: Wanted) -> Document: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The dashboard's twins. Redirects are not followed: the token is for this server only."""

    url: str
    token: str = field(default="", repr=False)
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def findings(self) -> tuple[Finding, ...]:
        document = self._get("/findings.json", {"state": "all", "from": "1"})
        try:
            return tuple(from_json(one) for one in document["findings"])
        except (KeyError, TypeError) as error:
            raise self._strange("/findings.json") from error

    def checked(self, since_s: int) -> tuple[Finding, ...]:
        """Waits for the server's next evaluation, so that the requests of a moment ago are in it."""
        wanted = self.clock() + SETTLE_S
        deadline = self.clock() + FRESH_WITHIN_S
        while self.clock() < deadline:
            until = self._evaluated_until()
            if until is None or until >= wanted:
                break
            self.sleep(0.5)
        since_ns = int((self.clock() - since_s) * 1e9)
        return tuple(
            finding
            for finding in self.findings()
            if finding.last_seen_ns >= since_ns and finding.state == "open"
        )

    def trace(self, trace_id: str) -> Document | None:
        return self._get_or_none(f"/traces/{urllib.parse.quote(trace_id, safe='')}.json", {})

    def traces(self, wanted: Wanted) -> Document:
        return self._get(
            "/traces.json",
            self._parameters(
                wanted,
                operation=wanted.operation,
                q=wanted.text,
                error="1" if wanted.errors_only else "",
                order="slowest" if wanted.slowest else "",
                limit=str(wanted.limit),
            ),
        )

    def logs(self, wanted: Wanted) -> Document:
        return self._get(
            "/logs.json",
            self._parameters(wanted, text=wanted.text, level=wanted.level, limit=str(wanted.limit)),
        )

    def services(self, wanted: Wanted) -> Document:
        return self._get("/services.json", self._parameters(wanted))

    def _parameters(self, wanted: Wanted, **more: str) -> dict[str, str]:
        """As the pages have them in their address; empty ones are left out."""
        since_ns = int((self.clock() - wanted.since_s) * 1e9)
        given = {"from": str(since_ns), "service": wanted.service, **more}
        return {name: value for name, value in given.items() if value}

    def _evaluated_until(self) -> float | None:
        """None where the server does not say."""
        document = self._get_or_none("/status.json", {}) or {}
        for process in document.get("processes") or ():
            if isinstance(process, dict) and process.get("process") == "checks":
                counters = process.get("counters") or {}
                value = counters.get("tracestitch_checks_evaluated_until_seconds")
                return float(value) if isinstance(value, (int, float)) else None
        return None

    def _get(self, path: str, parameters: Mapping[str, str]) -> Document:
        document = self._get_or_none(path, parameters)
        if document is None:
            raise self._strange(path)
        return document

    def _get_or_none(self, path: str, parameters: Mapping[str, str]) -> Document | None:
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        request = urllib.request.Request(self.url.rstrip("/") + path + query)  # noqa: S310 - the scheme is checked
        request.add_header("Accept", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                document = json.loads(answer.read(LARGEST_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                self._refuse(path, error.code)
            return None
        except (OSError, HTTPException) as error:
            raise AnswerError(
                f"no Tracestitch dashboard answers at {self.url} ({_reason(error)}). Start one with "
                "`tracestitch serve`, name another with --server URL, or read a folder with --data DIR."
            ) from error
        except ValueError as error:
            raise self._strange(path) from error
        if not isinstance(document, dict):
            raise self._strange(path)
        return document

    def _refuse(self, path: str, status: int) -> None:
        """Says why there is no answer; nothing is wrong where there is just no such thing."""
        if status == 404:
            return
        if status in (401, 403):
            raise AnswerError(
                f"{self.url} wants a token: give it with --token or in TRACESTITCH_TOKEN."
                if not self.token
                else f"{self.url} does not accept this token."
            )
        raise AnswerError(f"{self.url}{path} answered {status}; see its /status page.")

    def _strange(self, path: str) -> AnswerError:
        return AnswerError(
            f"what {self.url}{path} answers is not from a Tracestitch dashboard of this version."
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A data folder, read without a server; what a server is still writing may be seen a second later."""

    data: Path
    clock_ns: Callable[[], int] = time.time_ns

    def findings(self) -> tuple[Finding, ...]:
        return self._ask(lambda store: store.findings())

    def checked(self, since_s: int) -> tuple[Finding, ...]:
        """Evaluates here and now; what was known before only tells since when."""
        return self._ask(lambda store: _evaluated(store, self._window(since_s), self.clock_ns()))

    def trace(self, trace_id: str) -> Document | None:
        trace = self._ask(lambda store: store.trace(trace_id))
        if trace is None:
            return None
        marked = [
            to_json(finding)
            for finding in self.findings()
            if any(shown.trace_id == trace_id for shown in finding.evidence)
        ]
        return {
            "trace_id": trace.trace_id,
            "partial": trace.partial,
            "spans": [plain.span_to_json(span) for span in trace.spans],
            "logs": [plain.log_to_json(record) for record in trace.logs],
            "findings": marked,
        }

    def traces(self, wanted: Wanted) -> Document:
        query = TraceQuery(
            window=self._window(wanted.since_s),
            service=wanted.service,
            operation=wanted.operation,
            text=wanted.text,
            error=True if wanted.errors_only else None,
            order="slowest" if wanted.slowest else "newest",
            limit=wanted.limit,
        )
        page = self._ask(lambda store: store.search(query))
        return {
            "traces": [plain.summary_to_json(one) for one in page.traces],
            "next_cursor": page.next_cursor,
            "partial": page.partial,
        }

    def logs(self, wanted: Wanted) -> Document:
        query = LogQuery(
            window=self._window(wanted.since_s),
            service=wanted.service,
            text=wanted.text,
            min_severity=LEVELS[wanted.level] if wanted.level else 0,
            limit=wanted.limit,
        )
        page = self._ask(lambda store: store.search_logs(query))
        return {
            "logs": [plain.log_to_json(record) for record in page.records],
            "next_cursor": page.next_cursor,
            "partial": page.partial,
        }

    def services(self, wanted: Wanted) -> Document:
        found = self._ask(lambda store: store.services(self._window(wanted.since_s)))
        return {"services": [plain.service_to_json(one) for one in found if is_listed(one.service)]}

    def _window(self, since_s: int) -> Window:
        now_ns = self.clock_ns()
        return Window(start_ns=now_ns - since_s * 10**9, end_ns=now_ns + 60 * 10**9)

    def _ask(self, question: Callable[[Store], Given]) -> Given:
        if not self.data.is_dir():
            raise AnswerError(f"there is no data folder {self.data}; `tracestitch serve --data` makes one.")
        store = open_store(Settings(data=self.data), write=False)
        try:
            return question(store)
        finally:
            store.close()


def _evaluated(store: Store, window: Window, now_ns: int) -> tuple[Finding, ...]:
    sampler = Sampler(Limits(settle_ns=0, settle_orphans_ns=0, budget_s=600))
    sampler.refresh(store, window, now_ns)
    inventories = store.inventories(Window(start_ns=now_ns - INVENTORY_LOOKBACK_NS, end_ns=window.end_ns))
    evidence = gather(store, sampler, inventories, window, now_ns)
    evaluation = evaluate(evidence)
    if evaluation.failures:
        raise AnswerError(
            "; ".join(f"the check {name} failed: {text}" for name, text in evaluation.failures.items())
        )
    known = {finding.fingerprint: finding for finding in store.findings()}
    seen = seen_in(evidence.units, inventories, frozenset(evaluation.left_out))
    found = (judged(merge(known.get(finding.fingerprint), finding), seen) for finding in evaluation.findings)
    return tuple(finding for finding in found if finding.state == "open")
