"""debug-exposed: debug mode, or a debugger that runs anyone's code, outside a developer's machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tracestitch_collector.checks import suppression, wording
from tracestitch_collector.checks.evidence import Evidence
from tracestitch_collector.checks.finding import Finding, Fix, Impact, Location, Pitfall, fingerprint
from tracestitch_collector.checks.framework import Framework, of_service
from tracestitch_collector.checks.processes import running
from tracestitch_collector.checks.sensitivity import is_development
from tracestitch_collector.model import Resource
from tracestitch_collector.store.store import Inventory
from tracestitch_collector.traces.code import place, relative

ID = "debug-exposed"
PITFALL: Pitfall = "P3"
TITLE = "Debug mode where others can reach it"


def find(evidence: Evidence) -> Iterable[Finding]:
    services: dict[tuple[str, str], list[Inventory]] = {}
    for inventory in running(evidence):
        if not is_development(inventory.environment):
            services.setdefault((inventory.service, inventory.environment), []).append(inventory)
    for (service, environment), processes in services.items():
        exposed = [one for one in processes if _is(one, "debug") or _is(one, "debugger_active")]
        if exposed:
            yield _finding(evidence, service, environment, exposed, processes)


def _is(inventory: Inventory, field: str) -> bool:
    security = inventory.body.get("security")
    return isinstance(security, Mapping) and security.get(field) is True


def _finding(
    evidence: Evidence, service: str, environment: str, exposed: list[Inventory], processes: list[Inventory]
) -> Finding:
    last = max(exposed, key=lambda one: one.time_ns)
    debugger = any(_is(one, "debugger_active") for one in exposed)
    location = _location(last)
    requests = sum(count for (name, _), count in evidence.eligible.items() if name == service)
    return Finding(
        fingerprint=fingerprint(ID, service, environment),
        check=ID,
        pitfall=PITFALL,
        severity="critical" if debugger else "important",
        tier="A",
        title=f"{service} runs its interactive debugger in {environment}"
        if debugger
        else f"{service} runs with debug on in {environment}",
        service=service,
        operation="",
        location=location,
        evidence=(),
        affected=len(exposed),
        eligible=len(processes),
        impact=Impact(
            ms_per_day=0.0,
            requests_share=1.0 if requests and len(exposed) == len(processes) else 0.0,
            text=_impact_text(service, debugger),
        ),
        fix=_fix(of_service(service, evidence.inventories), location),
        first_seen_ns=min(one.time_ns for one in exposed),
        last_seen_ns=max(last.time_ns, evidence.last_request_ns(service)),
        suppressed_by=_suppressed(last),
        details=(
            ("environment", environment),
            ("processes", wording.listed([one.instance or "one process" for one in exposed])),
            ("interactive debugger", "active" if debugger else "not active"),
        ),
    )


def _impact_text(service: str, debugger: bool) -> str:
    if debugger:
        return (
            f"Whoever reaches an error page of {service} sees its code and variables, and is one PIN away from "
            "running Python in it."
        )
    return f"Whoever causes an error in {service} sees its code, settings and local variables."


def _location(inventory: Inventory) -> Location | None:
    """Where debug is turned on, as the agent found it in the user's code."""
    found = inventory.body.get("debug_location")
    if not isinstance(found, Mapping):
        return None
    file, line, function = found.get("file"), found.get("line"), found.get("function")
    if not isinstance(file, str) or not isinstance(line, int):
        return None
    root = Resource(attributes=inventory.resource).text("tracestitch.app.root")
    return Location(
        file=relative(file, root), line=line, function=function if isinstance(function, str) else ""
    )


def _suppressed(inventory: Inventory) -> str | None:
    found = inventory.body.get("debug_location")
    return suppression.reason_in(ID, found) if isinstance(found, Mapping) else None


def _fix(framework: Framework, location: Location | None) -> Fix:
    line = place(location)
    asked = f"  # {line}" if line else ""
    if framework == "django":
        return Fix(
            text="Take debug from the environment, off unless asked for, and list the hosts you answer for.",
            before=f"DEBUG = True{asked}",
            after='DEBUG = os.environ.get("DJANGO_DEBUG") == "1"\n'
            'ALLOWED_HOSTS = os.environ["DJANGO_ALLOWED_HOSTS"].split(",")',
        )
    return Fix(
        text="Leave debug out of the code and serve with a real server; turn it on with `flask run --debug` on "
        "your own machine only.",
        before=f"app.run(debug=True){asked}",
        after='if __name__ == "__main__":\n    app.run()  # FLASK_DEBUG=1 on your own machine\n\n'
        "# everywhere else\ngunicorn app:app",
    )
