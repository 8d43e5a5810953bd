"""The echo, sent and followed to the store."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tracestitch.doctor import collector, conditions
from tracestitch.doctor.condition import Finding, met, printable
from tracestitch.doctor.dashboard import About, Dashboard, NoAnswer, about_from, addresses, first_that_answers
from tracestitch.doctor.echo import Echo
from tracestitch.settings import AgentSettings, Target
from tracestitch.transport import Transport, Unreachable

SKEW_NS = 2_000_000_000
NEARLY_FULL_SHARE, NEARLY_FULL_BYTES = 0.05, 1_000_000_000
_ASK_EACH_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What was seen of the echo on its way."""

    findings: tuple[Finding, ...]
    # Steps that went well, in words.
    steps: tuple[str, ...]
    dashboard: Dashboard | None = None
    trace_url: str = ""


@dataclass(slots=True, kw_only=True)
class Journey:
    settings: AgentSettings
    environ: Mapping[str, str]
    echo: Echo
    server: str | None
    wait_s: float
    clock_ns: Callable[[], int] = time.time_ns
    findings: list[Finding] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def go(self) -> Followed:
        sent = self._send()
        target = self.settings.traces or self.settings.logs
        if target is None:
            return Followed(findings=(), steps=())
        transport = Transport(timeout_s=self.settings.timeout_s, certificate=self.settings.certificate)
        about = self._ask(transport) if sent else About()
        self._look_at(about)
        dashboard = self._find_dashboard(about, target, transport) if sent or self.server else None
        if sent and dashboard is not None:
            self._follow(dashboard)
        return Followed(
            findings=tuple(self.findings),
            steps=tuple(self.steps),
            dashboard=dashboard,
            trace_url=f"{dashboard.url}/traces/{self.echo.trace_id}" if dashboard and sent else "",
        )

    def _send(self) -> bool:
        """Whether all that is switched on was taken. Where the span was not, the log is not tried at that place."""
        taken: list[bool] = []
        failed_at = ""
        for name, target, body in (
            ("span", self.settings.traces, self.echo.traces()),
            ("log", self.settings.logs, self.echo.logs()),
        ):
            if target is None or _shown(target) == failed_at:
                continue
            sent = collector.send(target, body, self.settings, self.environ, self.clock_ns() / 1e9)
            if sent.finding is None:
                self.steps.append(f"{_shown(target)} acknowledged an echo {name}.")
            else:
                failed_at = _shown(target)
                self.findings.append(sent.finding)
            taken.append(sent.finding is None)
        return bool(taken) and all(taken)

    def _ask(self, transport: Transport) -> About:
        target = self.settings.agent
        asked_ns = self.clock_ns()
        try:
            reply = transport.request("GET", target.url, b"", target.headers)
            document = json.loads(reply.body) if reply.status == 200 else None
        except (Unreachable, ValueError):
            document = None
        return about_from(document, asked_ns, self.clock_ns())

    def _look_at(self, about: About) -> None:
        if about.ahead_ns is not None and abs(about.ahead_ns) > SKEW_NS + about.uncertain_ns:
            way = "ahead of" if about.ahead_ns > 0 else "behind"
            text = f"The collector's clock is {abs(about.ahead_ns) / 1e9:.1f} s {way} this machine's."
            self.findings.append(met(conditions.CLOCK_SKEW, text))
        free, total = about.disk_free_bytes, about.disk_total_bytes
        if total and free < NEARLY_FULL_BYTES and free < NEARLY_FULL_SHARE * total:
            text = f"The collector's disk has {free / 1e6:,.0f} MB left of {total / 1e6:,.0f} MB."
            self.findings.append(met(conditions.DISK_NEARLY_FULL, text))

    def _find_dashboard(self, about: About, target: Target, transport: Transport) -> Dashboard | None:
        candidates = addresses(about, target.url, self.server)
        dashboard, failures = first_that_answers(candidates, transport, self.settings.agent.headers)
        if dashboard is not None:
            return dashboard
        if not about.is_ours and not self.server:
            text = f"{_shown(target)} took the echo; it is no Tracestitch collector."
            self.findings.append(met(conditions.FOREIGN_COLLECTOR, text, trace_id=self.echo.trace_id))
        else:
            why = printable("; ".join(failures)) if failures else "the collector runs without one"
            text = f"No dashboard can be asked for the echo: {why}."
            self.findings.append(met(conditions.DASHBOARD_UNREACHABLE, text))
        return None

    def _follow(self, dashboard: Dashboard) -> None:
        missing = self._still_missing(dashboard)
        if not missing:
            self.steps.append(f"The store shows it: {dashboard.url}/traces/{self.echo.trace_id}")
            return
        complaints = "; ".join(_problems(dashboard))
        said = f" The server says: {printable(complaints, 300)}." if complaints else ""
        text = (
            f"The collector acknowledged the echo, and after {self.wait_s:g} s the store shows no {missing} of it."
            f"{said}"
        )
        self.findings.append(met(conditions.NOT_STORED, text, status=f"{dashboard.url}/status"))

    def _still_missing(self, dashboard: Dashboard) -> str:
        deadline = time.monotonic() + self.wait_s
        while True:
            missing = _missing(dashboard, self.echo.trace_id, self.settings)
            if not missing or time.monotonic() > deadline:
                return missing
            time.sleep(_ASK_EACH_S)


def _missing(dashboard: Dashboard, trace_id: str, settings: AgentSettings) -> str:
    try:
        trace = dashboard.trace(trace_id) or {}
        logs = trace.get("logs") or dashboard.items("/logs.json", "logs", trace=trace_id)
    except NoAnswer:
        return "answer"
    gone = [] if trace.get("spans") or settings.traces is None else ["span"]
    if not logs and settings.logs is not None:
        gone.append("log")
    return " and no ".join(gone)


def _problems(dashboard: Dashboard) -> list[str]:
    try:
        return [text.rstrip(".") for text in dashboard.problems()]
    except NoAnswer:
        return []


def _shown(target: Target) -> str:
    return target.url.rpartition("@")[2].removeprefix("http://").removeprefix("https://").partition("/")[0]
