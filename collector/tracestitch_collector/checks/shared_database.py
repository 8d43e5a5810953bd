"""shared-database: two services write the same tables of one database, so neither can change them alone.

Services of one codebase (a web app and its Celery worker) are one writer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TypeAlias

from tracestitch_collector.checks import prevalence, statements, suppression, wording
from tracestitch_collector.checks.evidence import Evidence, Unit
from tracestitch_collector.checks.finding import Finding, Fix, Pitfall, fingerprint
from tracestitch_collector.checks.framework import of_service, text_in
from tracestitch_collector.checks.prevalence import Case
from tracestitch_collector.checks.sensitivity import in_environment
from tracestitch_collector.model import Span
from tracestitch_collector.traces.code import location_of, place

ID = "shared-database"
PITFALL: Pitfall = "P1"
TITLE = "Two services write one database"

LEAST_WRITES = 3
"""By each service, outside development."""

FRAMEWORK_TABLES = (
    "django_", "auth_", "authtoken_", "alembic_", "celery_", "kombu_", "sqlite_", "information_schema", "pg_",
)  # fmt: skip
"""Written by the frameworks themselves (sessions, migrations, results)."""

LOOPBACK = frozenset({"", "localhost", "127.0.0.1", "::1"})

Database: TypeAlias = tuple[str, str, str]
"""(system, where it runs, name)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Write(Case):
    table: str

    @property
    def span(self) -> Span:
        return self.spans[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Writer:
    """What one codebase writes to the tables it shares."""

    services: tuple[str, ...]
    writes: tuple[Write, ...] = field(repr=False)

    @property
    def name(self) -> str:
        return self.services[0]


def find(evidence: Evidence) -> Iterable[Finding]:
    owners = codebases(evidence)
    databases: dict[Database, list[Write]] = {}
    for unit in evidence.units:
        for write in _writes(unit):
            database = _database(write.span)
            if database is not None:
                databases.setdefault(database, []).append(write)
    for database, writes in databases.items():
        shared, writers = _sharing(writes, owners)
        if len(writers) > 1:
            yield _finding(evidence, database, shared, writers)


def codebases(evidence: Evidence) -> Mapping[str, str]:
    """Service → what stands for its code: the codebase its inventory names, else its namespace, else itself."""
    known: dict[str, str] = {}
    for inventory in sorted(evidence.inventories, key=lambda one: one.time_ns):
        codebase = text_in(inventory.body, "codebase")
        if codebase:
            known[inventory.service] = f"codebase {codebase}"
    for unit in evidence.units:
        namespace = unit.entry.span.resource.text("service.namespace")
        if unit.service not in known and namespace:
            known[unit.service] = f"namespace {namespace}"
    return known


def _writes(unit: Unit) -> Iterator[Write]:
    for node in unit.nodes:
        span = node.span
        if span.kind != "client" or not span.text("db.query.text"):
            continue
        if statements.operation(span) not in statements.WRITES:
            continue
        if statements.is_by_key(span.text("db.query.text")):
            continue
        table = statements.table(span).lower()
        bare = table.rsplit(".", 1)[-1]
        if bare and not bare.startswith(FRAMEWORK_TABLES):
            yield Write(unit=unit, spans=(span,), table=table)


def _database(span: Span) -> Database | None:
    """None where two equal names may be two databases."""
    system, name = span.text("db.system.name").lower(), span.text("db.namespace")
    address, host = span.text("server.address"), span.resource.text("host.name")
    if not name or name == ":memory:":
        return None
    if system == "sqlite":
        return (system, host, name) if PurePath(name).is_absolute() else None
    port = span.number("server.port")
    where = f"{host}/{address}" if address in LOOPBACK else address
    return system, f"{where}:{port or ''}", name


def _sharing(
    writes: Iterable[Write], owners: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[Writer, ...]]:
    """The tables that more than one codebase writes, and the writers, the one that writes most first."""
    by_table: dict[str, dict[str, list[Write]]] = {}
    for write in writes:
        service = write.unit.service
        codebase = owners.get(service, f"service {service}")
        by_table.setdefault(write.table, {}).setdefault(codebase, []).append(write)
    shared = {
        table: {codebase: found for codebase, found in known.items() if _enough(found)}
        for table, known in by_table.items()
    }
    shared = {table: known for table, known in shared.items() if len(known) > 1}
    together: dict[str, list[Write]] = {}
    for known in shared.values():
        for codebase, found in known.items():
            together.setdefault(codebase, []).extend(found)
    writers = [
        Writer(services=tuple(sorted({write.unit.service for write in found})), writes=tuple(found))
        for found in together.values()
    ]
    return tuple(sorted(shared)), tuple(sorted(writers, key=lambda one: (-len(one.writes), one.name)))


def _enough(writes: list[Write]) -> bool:
    development = in_environment(prevalence.latest(writes).unit.environment).development
    return len(writes) >= (1 if development else LEAST_WRITES)


def _finding(
    evidence: Evidence, database: Database, tables: tuple[str, ...], writers: tuple[Writer, ...]
) -> Finding:
    system, where, name = database
    shown = PurePath(name).name if system == "sqlite" else name
    guest = writers[-1]
    write = prevalence.latest(guest.writes)
    owners = [writer.name for writer in writers[:-1]]
    units = tuple(unit for unit in evidence.units if unit.service in guest.services)
    affected = len({id(case.unit) for case in guest.writes})
    first_ns, last_ns = prevalence.first_and_last_ns(guest.writes)
    one_of_each = [prevalence.latest(writer.writes) for writer in reversed(writers)]
    return Finding(
        # Not the folder of a SQLite file, nor the host: the same pitfall in every checkout.
        fingerprint=fingerprint(ID, system, "" if system == "sqlite" else where, shown),
        check=ID,
        pitfall=PITFALL,
        severity="important",
        tier="B",
        title=f"{wording.listed([guest.name, *owners])} all write {_tables_text(tables)} in {shown}"
        if len(owners) > 1
        else f"{guest.name} and {owners[0]} both write {_tables_text(tables)} in {shown}",
        service=write.unit.service,
        operation=write.unit.operation,
        location=location_of(write.span),
        evidence=prevalence.shown(one_of_each[:3]),
        affected=affected,
        eligible=len(units),
        impact=prevalence.impact(
            evidence,
            guest.writes,
            units,
            f"{wording.share(affected, len(units))} of {guest.name} write tables that {wording.listed(owners, 5)} "
            f"{'writes' if len(owners) == 1 else 'write'} too: "
            "neither can change them, their rules or their database alone.",
        ),
        fix=_fix(evidence, guest, writers[0], write),
        first_seen_ns=first_ns,
        last_seen_ns=last_ns,
        history=prevalence.per_hour(guest.writes),
        suppressed_by=suppression.reason_for(ID, write.spans),
        details=_details(system, name, tables, writers),
    )


def _tables_text(tables: tuple[str, ...]) -> str:
    return f"the table {tables[0]}" if len(tables) == 1 else f"the tables {wording.listed(tables, 3)}"


def _details(
    system: str, name: str, tables: tuple[str, ...], writers: tuple[Writer, ...]
) -> tuple[tuple[str, str], ...]:
    found = [("database", f"{system} {name}"), ("tables", wording.listed(tables, 10))]
    for writer in writers:
        lines = Counter(place(location_of(write.span)) or write.unit.operation for write in writer.writes)
        sites = [f"{line} ({count}×)" for line, count in lines.most_common(5)]
        found.append((f"written by {', '.join(writer.services)}", "; ".join(sites)))
        statement = prevalence.latest(writer.writes).span.text("db.query.text")
        found.append((f"statement of {writer.name}", wording.shortened(statement, 500)))
    return tuple(found)


def _fix(evidence: Evidence, guest: Writer, owner: Writer, write: Write) -> Fix:
    statement = wording.shortened(" ".join(write.span.text("db.query.text").split()), 100)
    line = place(location_of(write.span))
    before = f"{statement}  -- {line}" if line else statement
    base = "".join(character for character in owner.name.upper() if character.isalnum()) + "_URL"
    resource = write.table.rsplit(".", 1)[-1]
    framework = of_service(owner.name, evidence.inventories, (owner.writes[0].unit.entry.span,))
    route = (
        f"class {resource.title().replace('_', '')}View(APIView):\n    def patch(self, request, pk): …"
        if framework == "django"
        else f'@app.patch("/{resource}/<int:pk>")\ndef change_{resource}(pk): …'
    )
    return Fix(
        text=f"Let {owner.name} own {wording.listed([resource])}: {guest.name} asks it to write, over a route or "
        "with an event, and its database user loses the right to write there.",
        before=before,
        after=f"# in {guest.name}\n"
        f'requests.patch(f"{{{base}}}/{resource}/{{pk}}", json=changes, timeout=(3.05, 10))\n\n'
        f"# in {owner.name}\n{route}",
    )
