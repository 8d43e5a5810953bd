"""One examination from beginning to end: what is set, the way to the store, the command, and what the store knows."""

import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tracestitch import __version__
from tracestitch.command import the_apps_python
from tracestitch.doctor import environment, launching, log_levels, traffic, versions
from tracestitch.doctor.condition import Finding, met
from tracestitch.doctor.conditions import OTHER_AGENT, SERVICE_SILENT
from tracestitch.doctor.dashboard import Dashboard, Document, NoAnswer
from tracestitch.doctor.echo import Echo
from tracestitch.doctor.following import Journey
from tracestitch.doctor.launching import CannotStart, Launch
from tracestitch.doctor.report import Report
from tracestitch.settings import from_environment, with_flags

LOOKBACK_NS = 3_600_000_000_000
AHEAD_NS = 86_400_000_000_000
"""Where a clock is ahead, its spans lie in the future."""
_TRACES, _INVENTORIES = 60, 200
_READING_S = 10.0
_DJANGO = "django"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the doctor was asked to look at."""

    environ: Mapping[str, str]
    folder: str
    own_python: str
    command: Sequence[str] = ()
    # The command, environment and folder are those of a process that runs already.
    is_running: bool = False
    # Of which the store is asked; empty: of all.
    services: Sequence[str] = ()
    server: str | None = None
    wait_s: float = 10.0


def examine(order: Order) -> Report:
    environ = with_flags(order.environ)
    settings = from_environment(environ, order.folder)
    findings = list(environment.look(environ))
    steps: list[str] = []
    launch = _launch(order)
    if launch is not None:
        steps += launch.steps
        findings += launch.findings
        findings += _of_the_app(launch, order, environ)
    echo = Echo(
        trace_id=secrets.token_hex(16),
        span_id=secrets.token_hex(8),
        time_ns=time.time_ns(),
        host=socket.gethostname(),
        version=__version__,
    )
    journey = Journey(settings=settings, environ=environ, echo=echo, server=order.server, wait_s=order.wait_s)
    followed = journey.go()
    steps = [*followed.steps, *steps]
    findings += followed.findings
    if followed.dashboard is not None:
        services = [*order.services] or [name for name in [settings.service_name] if name]
        try:
            findings += _of_the_store(followed.dashboard, services, expects=not order.command)
        except NoAnswer as error:
            steps.append(f"What the store knows of the services could not be read: {error}.")
    return Report(steps=steps, findings=_once(findings))


def _launch(order: Order) -> Launch | None:
    if not order.command:
        return None
    own = the_apps_python(order.environ, order.own_python)
    return launching.examine(order.command, order.environ, order.folder, own, is_running=order.is_running)


def _of_the_app(launch: Launch, order: Order, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Its packages, and what its logging lets through."""
    told = launch.interpreter
    if told is None:
        return
    yield from versions.look(told.packages, told.pins, told.python)
    module = log_levels.settings_module(launch.program.rest, environ, order.folder)
    if not module or _DJANGO not in told.packages:
        return
    quiet = {**launching.prepared(launch.program, environ, order.folder), "OTEL_SDK_DISABLED": "true"}
    try:
        asked = launching.ask(launch.program, quiet, order.folder, module)
    except CannotStart:
        return
    levels = asked.logging.get("levels")
    if isinstance(levels, dict):
        where = os.path.relpath(str(asked.logging.get("settings_file")), order.folder)
        yield from log_levels.look(log_levels.calls_in(order.folder), levels, f"LOGGING in {where}")


def _of_the_store(dashboard: Dashboard, services: Sequence[str], *, expects: bool) -> Iterator[Finding]:
    """`expects`: the services have been started already, so they should be there."""
    now_ns = time.time_ns()
    period = {"from": now_ns - LOOKBACK_NS, "to": now_ns + AHEAD_NS}
    known = dashboard.items("/services.json", "services", **period)
    names = {str(one.get("service")) for one in known}
    for service in services:
        if service not in names and expects:
            text = f"The store has nothing of service {service!r} in the last hour."
            near = ", ".join(sorted(names - {"tracestitch-doctor"})[:8])
            seen = f" It has: {near}." if near else ""
            yield met(SERVICE_SILENT, text + seen, service=service)
    spans = list(_recent_spans(dashboard, [name for name in services if name in names], period))
    yield from traffic.broken_propagation(spans, services)
    yield from traffic.late_services(span for span in spans if not services or span.service in services)
    inventories = _inventories(dashboard)
    yield from traffic.shared_names(
        one for one in inventories if not services or one.get("service") in services
    )
    yield from _of_inventories(inventories, services)


def _recent_spans(
    dashboard: Dashboard, services: Sequence[str], period: Mapping[str, int]
) -> Iterator[traffic.Span]:
    seen: set[str] = set()
    deadline = time.monotonic() + _READING_S
    for service in services or [""]:
        more = {"service": service} if service else {}
        for summary in dashboard.items("/traces.json", "traces", limit=_TRACES, **period, **more):
            trace_id = str(summary.get("trace_id"))
            if trace_id not in seen and time.monotonic() < deadline:
                seen.add(trace_id)
                with suppress(NoAnswer):  # one that is larger than what is read of an answer
                    yield from traffic.spans_of(dashboard.trace(trace_id) or {})


def _inventories(dashboard: Dashboard) -> list[Document]:
    return dashboard.items("/inventories.json", "inventories", limit=_INVENTORIES)


def _of_inventories(inventories: Sequence[Document], services: Sequence[str]) -> Iterator[Finding]:
    """What running processes of the named services told of themselves."""
    for service in services:
        of_service = [one for one in inventories if one.get("service") == service]
        if not of_service:
            continue
        body = of_service[0].get("body")
        agents = body.get("other_agents") if isinstance(body, Mapping) else None
        for agent in agents if isinstance(agents, list) else ():
            yield met(OTHER_AGENT, f"{agent} observes {service} too.", agent=agent)
        yield from _quiet_logs(of_service[0])


def _quiet_logs(inventory: Document) -> Iterator[Finding]:
    """Only where the source lies on this machine, so that it can be seen that records are lost."""
    level = traffic.root_level(inventory)
    root = traffic.app_root(inventory)
    if level and root and os.path.isdir(root):
        yield from log_levels.look(
            log_levels.calls_in(root), {"": level}, "its LOGGING settings or logging.basicConfig"
        )


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """A condition met twice with the same words is said once."""
    return list({(finding.name, finding.text): finding for finding in findings}.values())
