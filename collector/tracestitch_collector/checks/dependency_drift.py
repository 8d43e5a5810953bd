"""dependency-drift: services that talk to each other, or copies of one service, run on different versions of
the same package. There is no line of code and no trace: the evidence is what the processes said of themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tracestitch_collector.checks import wording
from tracestitch_collector.checks.evidence import Evidence
from tracestitch_collector.checks.finding import Finding, Fix, Impact, Pitfall, Severity, fingerprint
from tracestitch_collector.checks.processes import running
from tracestitch_collector.checks.sensitivity import is_development
from tracestitch_collector.store.store import Inventory

ID = "dependency-drift"
PITFALL: Pitfall = "P2"
TITLE = "Different versions of one package"

MINOR_MATTERS = frozenset(
    {
        "django", "djangorestframework", "flask", "flask-restful", "werkzeug", "celery", "kombu", "requests",
        "urllib3", "httpx", "sqlalchemy", "protobuf", "pydantic", "opentelemetry-api", "opentelemetry-sdk",
    }
)  # fmt: skip
"""Packages whose minor versions change how services behave or what they send each other."""

TOOLS = frozenset(
    {
        "pip",
        "setuptools",
        "wheel",
        "uv",
        "pytest",
        "mypy",
        "ruff",
        "black",
        "coverage",
        "ipython",
        "tracestitch",
    }
)
"""Tell nothing about how a service runs; nor do those whose names begin so:"""
TOOL_FAMILIES = ("pytest-", "types-", "sphinx", "mkdocs", "flake8", "pylint", "jupyter", "pre-commit")

FIRST_CALENDAR_MAJOR = 19
"""`2024.7.4`, `24.1`: versions by date, whose first number says nothing about compatibility."""

_NUMBERS = re.compile(r"(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The newest inventory of a service."""

    inventory: Inventory
    packages: Mapping[str, str] = field(repr=False)


def find(evidence: Evidence) -> Iterable[Finding]:
    yield from _between_services(evidence)
    yield from _within_releases(evidence)


def _between_services(evidence: Evidence) -> Iterator[Finding]:
    newest: dict[str, Process] = {}
    for process in sorted(_processes(evidence), key=lambda one: one.inventory.time_ns):
        newest[process.inventory.service] = process
    for system in _systems(evidence, newest):
        together = {service: newest[service] for service in system}
        names = {name for process in together.values() for name in process.packages}
        for name in sorted(names):
            versions = {s: p.packages[name] for s, p in together.items() if name in p.packages}
            if len(versions) > 1 and not _is_tool(name) and _drifts(name, versions.values()):
                yield _drift_finding(evidence, name, versions)


def _systems(evidence: Evidence, newest: Mapping[str, Process]) -> list[tuple[str, ...]]:
    """The services in groups that work together: they were seen in one trace or name one namespace. Two apps
    that merely send to the same collector owe each other nothing."""
    group = {service: {service} for service in newest}

    def join(services: Iterable[str]) -> None:
        known = [service for service in services if service in group]
        merged = set().union(*(group[service] for service in known))
        for service in merged:
            group[service] = merged

    for trace in evidence.traces:
        join({span.service for span in trace.spans})
    by_namespace: dict[object, list[str]] = {}
    for service, process in newest.items():
        by_namespace.setdefault(process.inventory.resource.get("service.namespace"), []).append(service)
    for namespace, services in by_namespace.items():
        if namespace:
            join(services)
    return sorted({tuple(sorted(services)) for services in group.values()})


def _processes(evidence: Evidence) -> Iterator[Process]:
    for inventory in running(evidence):
        packages = inventory.body.get("packages")
        if isinstance(packages, Mapping):
            known = {str(name): version for name, version in packages.items() if isinstance(version, str)}
            yield Process(inventory=inventory, packages=known)


def _is_tool(name: str) -> bool:
    return name in TOOLS or name.startswith(TOOL_FAMILIES)


def _drifts(name: str, versions: Iterable[str]) -> bool:
    numbers = {found for version in versions if (found := _major_and_minor(version)) is not None}
    majors = {major for major, _ in numbers}
    if len(majors) > 1:
        return min(majors) < FIRST_CALENDAR_MAJOR
    return name in MINOR_MATTERS and len(numbers) > 1


def _major_and_minor(version: str) -> tuple[int, int] | None:
    found = _NUMBERS.match(version)
    return (int(found[1][:9]), int((found[2] or "0")[:9])) if found else None


def _drift_finding(evidence: Evidence, name: str, versions: Mapping[str, str]) -> Finding:
    by_version: dict[str, list[str]] = {}
    for service in sorted(versions):
        by_version.setdefault(versions[service], []).append(service)
    groups = sorted(by_version.items(), key=lambda group: (len(group[1]), _sortable(group[0])))
    odd_version, odd_services = groups[0]
    usual_version, usual_services = groups[-1]
    since_ns = _seen_ns(evidence, versions)
    severity: Severity = "important" if name in MINOR_MATTERS else "normal"
    text = f"{name} {odd_version} in {wording.listed(odd_services)}, {usual_version} in {wording.listed(usual_services)}"
    return Finding(
        fingerprint=fingerprint(ID, name, min(versions)),
        check=ID,
        pitfall=PITFALL,
        severity=severity,
        tier="A",
        title=text if len(groups) == 2 else f"{text}, and {wording.counted(len(groups) - 2, 'more version')}",
        service=odd_services[0],
        operation="",
        location=None,
        evidence=(),
        affected=len(versions) - len(usual_services),
        eligible=len(versions),
        impact=Impact(
            ms_per_day=0.0,
            requests_share=0.0,
            text=f"What works in {usual_services[0]} is not proven in {odd_services[0]}: defaults, error texts and "
            f"security fixes of {name} differ between the two.",
        ),
        fix=_fix(name, odd_version, usual_version, odd_services[0]),
        first_seen_ns=since_ns,
        last_seen_ns=max(since_ns, evidence.last_request_ns(odd_services[0])),
        details=tuple((service, f"{name} {versions[service]}") for service in sorted(versions)),
    )


def _sortable(version: str) -> tuple[int, int, str]:
    major, minor = _major_and_minor(version) or (0, 0)
    return major, minor, version


def _seen_ns(evidence: Evidence, services: Iterable[str]) -> int:
    """When the drift began to be: the last of the processes said what it runs on."""
    wanted = set(services)
    return max(one.time_ns for one in evidence.inventories if one.service in wanted)


def _fix(name: str, odd: str, usual: str, service: str) -> Fix:
    return Fix(
        text="Keep one constraints file for all services and build every image with it, so that an upgrade is one "
        "change for all.",
        before=f"# requirements of {service}\n{name}=={odd}",
        after=f"# constraints.txt, shared by all services\n{name}=={usual}\n\n"
        f"# build of {service}\npip install -r requirements.txt -c constraints.txt",
    )


def _within_releases(evidence: Evidence) -> Iterator[Finding]:
    """Copies of one release with different packages. A version that is unknown is no release, and on a
    developer's machine packages change beneath a version all day."""
    releases: dict[tuple[str, str, str], list[Process]] = {}
    for process in _processes(evidence):
        inventory = process.inventory
        version = inventory.resource.get("service.version")
        if isinstance(version, str) and version and not is_development(inventory.environment):
            releases.setdefault((inventory.service, version, inventory.environment), []).append(process)
    for (service, version, environment), copies in releases.items():
        differing = _differing(copies)
        if differing:
            yield _release_finding(evidence, service, version, environment, copies, differing)


def _differing(copies: list[Process]) -> dict[str, tuple[str, ...]]:
    names = {name for process in copies for name in process.packages}
    found = {}
    for name in sorted(filter(lambda name: not _is_tool(name), names)):
        versions = sorted({process.packages.get(name, "not installed") for process in copies})
        if len(versions) > 1:
            found[name] = tuple(versions)
    return found


def _release_finding(
    evidence: Evidence,
    service: str,
    version: str,
    environment: str,
    copies: list[Process],
    differing: dict[str, tuple[str, ...]],
) -> Finding:
    seen = [process.inventory.time_ns for process in copies]
    sets = {tuple(sorted(process.packages.items())) for process in copies}
    names = list(differing)
    return Finding(
        fingerprint=fingerprint(ID, service, environment, "release"),
        check=ID,
        pitfall=PITFALL,
        severity="critical",
        tier="A",
        title=f"Copies of {service} {version} run on different packages: {wording.listed(names, 3)}",
        service=service,
        operation="",
        location=None,
        evidence=(),
        affected=len(sets),
        eligible=len(copies),
        impact=Impact(
            ms_per_day=0.0,
            requests_share=0.0,
            text=f"Which behaviour a request gets depends on the copy of {service} that answers it.",
        ),
        fix=Fix(
            text="Install from a lock file with hashes, once, into the image; never on start-up.",
            before="pip install -r requirements.txt  # at start-up, whatever is newest then",
            after="pip install --require-hashes -r requirements.lock  # when the image is built",
        ),
        first_seen_ns=min(seen),
        last_seen_ns=max(*seen, evidence.last_request_ns(service)),
        details=tuple((name, " · ".join(versions)) for name, versions in list(differing.items())[:50]),
    )
