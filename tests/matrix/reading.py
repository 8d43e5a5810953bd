"""What must be true of an app with any library: one request leaves one server span and what its two marked lines
caused beneath it, once, with the right address, and imports nothing that the app does not use."""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.matrix.cell import Place
from tests.support import peers, upstream
from tests.support.agent import App, free_port, line_of, running
from tracestitch_collector.model import Span, Trace

APPS = Path(__file__).parent / "apps" / "libraries"
# Of these the agent has modules; none may be in an app that does not use it.
OBSERVED = frozenset(
    {"django", "flask", "sqlalchemy", "requests", "urllib3", "httpx", "aiohttp", "redis", "celery", "kombu"}
    | {"psycopg", "psycopg2", "pymysql", "MySQLdb", "rest_framework", "flask_restful", "werkzeug"}
)
FLASK = ("python", "-m", "flask", "--app", "flask_reading", "run", "-p", "{port}")
RESTFUL = ("python", "-m", "flask", "--app", "restful_reading:app", "run", "-p", "{port}")
DJANGO = ("python", "manage.py", "runserver", "--noreload", "--skip-checks", "{port}")
FIRST, SECOND = "# first", "# second"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """What the app talks to: how it is told, and what each span must say of it."""

    environ: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, object] = field(default_factory=dict)


Peering = Callable[[Path], AbstractContextManager[Peer]]
TWO_STATEMENTS = (("SELECT shop_item", FIRST), ("SELECT shop_item", SECOND))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """A cell's way to run: a command, the module that reads, and the spans of its lines."""

    command: tuple[str, ...]
    reader: str
    peer: Peering
    uses: frozenset[str]
    # An instrumentation that is not the agent's own knows no line.
    told: tuple[tuple[str, str], ...] = TWO_STATEMENTS
    path: str = "/read/1"
    environ: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, place: Place) -> None:
        with self.peer(place.folder) as peer:
            app, answer, modules = self._asked(place, peer)
        assert b"a lamp" in answer or b"true" in answer or b"200" in answer, answer[:300]
        assert OBSERVED & set(modules) <= self.uses, f"{sorted(OBSERVED & set(modules) - self.uses)} imported"
        assert "tracestitch:" not in app, app[-600:]
        place.readings.settled(place.service, spans=3 + 2 * len(self.told), logs=2)
        self._check(place.readings.traces(place.service), peer)

    def _asked(self, place: Place, peer: Peer) -> tuple[str, bytes, list[str]]:
        port, output = free_port(), place.folder / "output.txt"
        command = place.observed(*(part.replace("{port}", str(port)) for part in self.command))
        environ = place.environ(**{"READER": self.reader, **peer.environ, **self.environ})
        with running(command, environ=environ, output=output, port=port, folder=APPS) as app:
            # What only the first request of a process does (setting up connections) is not looked at.
            app.get(self.path)
            status, answer = app.get(self.path)
            assert status == 200, f"{status} {answer[:300]!r} {app.said()[-900:]}"
            return app.said(), answer, self._modules(app)

    def _modules(self, app: App) -> list[str]:
        found: list[str] = json.loads(app.get("/modules")[1])
        return found

    def _check(self, traces: tuple[Trace, ...], peer: Peer) -> None:
        asked = [trace for trace in traces if any(_path(span) == self.path for span in trace.spans)]
        trace = max(asked, key=lambda trace: trace.spans[0].start_ns)
        everything = [(span.kind, span.name) for found in traces for span in found.spans]
        assert [kind for kind, _ in everything].count("server") == 3, everything
        [server] = [span for span in trace.spans if span.kind == "server"]
        assert len(traces) == 3, everything
        told = sorted((s for s in trace.spans if s.kind == "client"), key=lambda span: span.start_ns)
        file = APPS / "readers" / f"{self.reader}.py"
        expected = [
            (name, str(file), line_of(file, mark)) if mark else (name, None, None) for name, mark in self.told
        ]
        assert [_told(span) for span in told] == expected, everything
        for span in told:
            assert span.parent_span_id == server.span_id
            said = {name: span.attributes.get(name) for name in peer.attributes}
            assert said == dict(peer.attributes), dict(span.attributes)
            assert "hunter2" not in repr(span.attributes)
            assert "anna" not in repr(span.attributes)
        [record] = [record for record in trace.logs if record.scope.name == "reading"]
        assert record.span_id == server.span_id


def _path(span: Span) -> object:
    return span.attributes.get("url.path")


def _told(span: Span) -> tuple[object, ...]:
    return span.name, span.attributes.get("code.file.path"), span.attributes.get("code.line.number")


@contextlib.contextmanager
def sqlite(folder: Path) -> Iterator[Peer]:
    file = folder / "shop.sqlite3"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript(peers.TABLE)
    yield Peer(
        environ={
            "READ_DATABASE": str(file),
            "READ_URL": f"sqlite:///{file}",
            "READ_ENVIRON_URL": f"sqlite:///{file}",
            "READ_DJANGO_DATABASE": json.dumps({"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}),
        },
        attributes={"db.system.name": "sqlite", "db.namespace": str(file)},
    )


def postgresql(dialect: str, **more: Any) -> Peering:
    """`more` goes into Django's description of the database."""

    @contextlib.contextmanager
    def peering(_: Path) -> Iterator[Peer]:
        with peers.postgresql() as port:
            address = {"HOST": "127.0.0.1", "PORT": port, "USER": "reader", "NAME": "shop"}
            django = {"ENGINE": "django.db.backends.postgresql", **address, **more}
            yield Peer(
                environ={
                    "READ_DSN": f"postgresql://reader@127.0.0.1:{port}/shop?connect_timeout=4",
                    "READ_URL": f"{dialect}://reader@127.0.0.1:{port}/shop?connect_timeout=4",
                    "READ_DJANGO_DATABASE": json.dumps(django),
                },
                attributes=_database("postgresql", port),
            )

    return peering


def mariadb(dialect: str, **more: Any) -> Peering:
    @contextlib.contextmanager
    def peering(_: Path) -> Iterator[Peer]:
        with peers.mariadb() as port:
            address = {"HOST": "127.0.0.1", "PORT": port, "USER": "reader", "NAME": "shop"}
            django = {"ENGINE": "django.db.backends.mysql", **address, **more}
            yield Peer(
                environ={
                    "READ_HOST": "127.0.0.1",
                    "READ_PORT": str(port),
                    "READ_URL": f"{dialect}://reader@127.0.0.1:{port}/shop?connect_timeout=4",
                    "READ_DJANGO_DATABASE": json.dumps(django),
                },
                attributes=_database("mysql", port),
            )

    return peering


def _database(system: str, port: int) -> dict[str, object]:
    return {
        "db.system.name": system,
        "db.namespace": "shop",
        "server.address": "127.0.0.1",
        "server.port": port,
        "tracestitch.timeout.connect_s": 4.0,
    }


@contextlib.contextmanager
def redis(_: Path) -> Iterator[Peer]:
    with peers.redis() as port:
        cache = {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"redis://localhost:{port}/1",
        }
        yield Peer(
            environ={"READ_PORT": str(port), "READ_DJANGO_CACHE": json.dumps(cache)},
            attributes={
                "db.system.name": "redis",
                "db.namespace": "1",
                "server.address": "localhost",
                "server.port": port,
            },
        )


@contextlib.contextmanager
def another_service(_: Path) -> Iterator[Peer]:
    with upstream.upstream() as service:
        yield Peer(
            environ={"READ_BASE": service.url},
            attributes={
                "server.address": "127.0.0.1",
                "server.port": int(service.url.rpartition(":")[2]),
                "http.response.status_code": 200,
                "tracestitch.timeout.missing": False,
            },
        )
        headers = [seen for path in ("/one/1", "/two") for seen in service.asked(path)]
        assert [len(seen.get("traceparent", "")) for seen in headers] == [55, 55, 55, 55]


@contextlib.contextmanager
def object_store(_: Path) -> Iterator[Peer]:
    """Whatever is asked, it answers; nothing of that is told by the agent's own hooks."""
    with upstream.upstream() as service:
        yield Peer(environ={"READ_BASE": service.url}, attributes={"rpc.method": "GetObject"})


def cache(backend: str, location: Callable[[Path], str] = str) -> Peering:
    """One of Django's caches that need no server."""

    @contextlib.contextmanager
    def peering(folder: Path) -> Iterator[Peer]:
        described = {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": location(folder)}
        yield Peer(environ={"READ_DJANGO_CACHE": json.dumps(described)})

    return peering


@contextlib.contextmanager
def memcached(_: Path) -> Iterator[Peer]:
    with peers.memcached() as port:
        described = {
            "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
            "LOCATION": f"127.0.0.1:{port}",
        }
        yield Peer(environ={"READ_DJANGO_CACHE": json.dumps(described)})
