"""What this process is made of, sent once in the background: Python, packages, framework settings as names and
keyed hashes, security switches, middleware, routes, databases and the server's command."""

import hashlib
import hmac
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tracestitch import databases, export, inventory_process, scrub
from tracestitch.other_agents import other_agents
from tracestitch.routes import telling_name
from tracestitch.safety import guard

EVENT = "tracestitch.inventory"
PROCESS_EVENT = "tracestitch.process"
_EACH_S = 86_400.0  # so that a process that runs for weeks is not forgotten with its first day
_WEIGHED_EACH_S = 60.0
HASH_BYTES = 3  # enough to see a difference, too little to confirm a guess
_NAME_SEPARATORS = re.compile(r"[-_.]+")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_DISTRIBUTION = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._]*)-(?P<version>[^-]+)(?:-py\d.*)?\.(?:dist|egg)-info"
)
_DEEPEST_VALUE = 6
_LONGEST_ARGUMENT = 300
_MOST_ARGUMENTS = 40


class Schedule:
    """Sends the inventory once a day in each process, forked ones included, unless their parent stands for them; and
    each minute in which it has work, how heavy the process is."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sent_by = 0
        self._again_s = self._due_s = 0.0
        self._stands_for_forks = 0

    def once(self, app: object) -> None:
        process, now_s = os.getpid(), self._clock()
        if self._sent_by == process and now_s < self._due_s:
            return
        if self._stands_for_forks not in (0, process):
            return
        if self._sent_by != process or now_s >= self._again_s:
            self._again_s = now_s + _EACH_S
            export.background(lambda: _send(app))
        else:
            export.background(_send_weight)
        self._sent_by, self._due_s = process, now_s + _WEIGHED_EACH_S

    def stand_for_forks(self) -> None:
        self._stands_for_forks = os.getpid()


_SCHEDULE = Schedule(time.monotonic)
_SCHEDULING = guard("the inventory")


def schedule(app: object = None) -> None:
    """Call it after a request or task, with the Flask or Celery app where there is one; it costs one comparison
    after the first time."""
    try:
        _SCHEDULE.once(app)
    except Exception as error:
        _SCHEDULING.caught(error)


def stand_for_forks() -> None:
    """From now on this process's forks only replace earlier ones, which have told what there is to tell."""
    _SCHEDULE.stand_for_forks()


def _send(app: object) -> None:
    body = collect(app, key=export.settings_key(), argv=sys.orig_argv, path=sys.path)
    export.emit_event(EVENT, body)


def _send_weight() -> None:
    export.emit_event(PROCESS_EVENT, inventory_process.weight())


def collect(app: object, *, key: bytes | None, argv: Sequence[str], path: Sequence[str]) -> dict[str, Any]:
    """The body of the event. A part that cannot be told is left out, and stops none of the others."""
    body: dict[str, Any] = {}
    parts: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("python", lambda: {"version": platform.python_version(), "implementation": sys.implementation.name}),
        ("packages", lambda: packages(path)),
        ("server", lambda: _server(argv)),
        ("other_agents", lambda: list(other_agents(os.environ, sys.modules))),
        ("clock", inventory_process.clock),
        ("clock_offset_ms", export.clock_offset_ms),
        ("logging", inventory_process.log_levels),
        ("replica", lambda: inventory_process.replica(os.environ)),
        ("process", inventory_process.weight),
        *_framework_parts(app, key),
    )
    for name, part in parts:
        with guard(f"the inventory's {name}"):
            value = part()
            if value or isinstance(value, float):
                body[name] = value
    return body


def _server(argv: Sequence[str]) -> dict[str, Any]:
    model = server_model(argv)
    told: dict[str, Any] = {"argv": scrubbed_arguments(argv), "model": model}
    limit = inventory_process.worker_timeout_s(model, argv, os.environ, os.getcwd())
    if limit is not None:
        told["worker_timeout_s"] = limit
    workers = inventory_process.workers(model, argv, os.environ)
    if workers is not None:
        told["workers"] = workers
    return told


def _framework_parts(app: object, key: bytes | None) -> tuple[tuple[str, Callable[[], Any]], ...]:
    settings = _django_settings()
    if settings is not None:
        from tracestitch import inventory_django, migrations

        return (
            ("framework", inventory_django.framework),
            ("codebase", lambda: inventory_django.codebase(settings)),
            ("settings", lambda: hashed(inventory_django.explicit(settings), key)),
            ("security", lambda: inventory_django.security(settings)),
            ("debug_location", lambda: inventory_django.debug_location(settings)),
            ("middleware", lambda: [str(name) for name in settings.MIDDLEWARE]),
            ("routes", lambda: inventory_django.routes(settings)),
            ("unapplied_migrations", migrations.unapplied),
            ("deploy_checks", inventory_django.deploy_checks),
            ("databases", lambda: _with_seen(inventory_django.databases_of(settings))),
        )
    if _is_flask(app):
        from tracestitch import inventory_flask

        return (
            ("framework", inventory_flask.framework),
            ("codebase", lambda: inventory_flask.codebase(app)),
            ("settings", lambda: hashed(inventory_flask.configuration(app), key)),
            ("security", lambda: inventory_flask.security(app)),
            ("debug_location", lambda: inventory_flask.debug_location(app)),
            ("middleware", lambda: inventory_flask.middleware(app)),
            ("routes", lambda: inventory_flask.routes(app)),
            ("databases", lambda: _with_seen([])),
        )
    return (*_celery_parts(app), ("databases", lambda: _with_seen([])))


def _django_settings() -> Any | None:
    conf = sys.modules.get("django.conf")
    return conf.settings if conf is not None and conf.settings.configured else None


def _is_flask(app: object) -> bool:
    flask = sys.modules.get("flask")
    return flask is not None and isinstance(app, flask.Flask)


def _celery_parts(app: Any) -> tuple[tuple[str, Callable[[], Any]], ...]:
    celery = sys.modules.get("celery")
    if celery is None or not isinstance(app, celery.Celery):
        return ()
    return (
        ("framework", lambda: {"name": "celery", "version": celery.__version__}),
        ("codebase", lambda: telling_name(str(app.main or ""))),
        ("routes", list),
    )


def _with_seen(named: list[dict[str, str]]) -> list[dict[str, str]]:
    """Those that statements went to without being named in settings come after those that are."""
    known = [{**entry, "alias": ""} for entry in named]
    seen = [databases.described("", database) for database in databases.SEEN.all()]
    return named + [entry for entry in seen if entry not in known]


def packages(path: Iterable[str]) -> dict[str, str]:
    """From the names of the metadata folders: reading the metadata of 200 packages takes a hundred times as long."""
    found: dict[str, str] = {}
    for folder in path:
        try:
            names = os.listdir(folder or os.curdir)
        except OSError:
            continue
        for name in names:
            distribution = _DISTRIBUTION.fullmatch(name)
            if distribution:
                version = scrub.Plain(distribution["version"])
                found.setdefault(_normalised(distribution["name"]), version)
    return dict(sorted(found.items()))


def _normalised(name: str) -> str:
    return _NAME_SEPARATORS.sub("-", name).lower()


def hashed(settings: Mapping[str, Any], key: bytes | None) -> dict[str, str]:
    """Names with keyed hashes of their values, never a value; without a key the hashes are empty."""
    return {name: scrub.Plain(_hash(key, name, settings[name]) if key else "") for name in sorted(settings)}


def _hash(key: bytes, name: str, value: object) -> str:
    text = f"{name}={stable_text(value)}"
    return hmac.new(key, text.encode("utf-8", "replace"), hashlib.sha256).digest()[:HASH_BYTES].hex()


def stable_text(value: object, depth: int = 0) -> str:
    """`repr`, but equal for equal values in any process: sets sorted, addresses of objects left out."""
    if depth < _DEEPEST_VALUE:
        if isinstance(value, dict):
            pairs = sorted(
                f"{stable_text(name, depth + 1)}: {stable_text(item, depth + 1)}"
                for name, item in value.items()
            )
            return "{" + ", ".join(pairs) + "}"
        if isinstance(value, set | frozenset):
            return "{" + ", ".join(sorted(stable_text(item, depth + 1) for item in value)) + "}"
        if isinstance(value, list | tuple):
            return "[" + ", ".join(stable_text(item, depth + 1) for item in value) + "]"
    return _ADDRESS.sub("", repr(value))


def scrubbed_arguments(argv: Sequence[str]) -> list[str]:
    """The command without what follows `--password` and its like."""
    scrubbed: list[str] = []
    secret_follows = False
    for argument in argv[:_MOST_ARGUMENTS]:
        hides = secret_follows and not argument.startswith("-")
        scrubbed.append(scrub.REDACTED if hides else scrub.scrub_text(argument[:_LONGEST_ARGUMENT]))
        secret_follows = argument.startswith("-") and "=" not in argument and scrub.is_secret_key(argument)
    return scrubbed


def server_model(argv: Sequence[str]) -> str:
    """What serves or works here, told by what is loaded: `gunicorn sync`, `runserver`, `celery`, …"""
    words = {os.path.basename(argument) for argument in argv[:12]}
    for worker in ("gthread", "ggevent", "geventlet", "gtornado", "sync"):
        if f"gunicorn.workers.{worker}" in sys.modules:
            return f"gunicorn {worker}"
    if "gunicorn" in words:
        return "gunicorn"
    if "celery" in words:
        return "celery " + next((word for word in ("worker", "beat") if word in argv), "")
    if words & {"runserver", "runserver_plus"}:
        return "runserver"
    if "flask" in words and "run" in words:
        return "flask run"
    for module in ("uwsgi", "mod_wsgi", "uvicorn", "hypercorn", "daphne", "waitress"):
        if module in sys.modules or module in words:
            return module
    return "werkzeug" if "werkzeug.serving" in sys.modules else "python"
