"""What a process tells of itself: the parts that need no process, and real Django and Flask processes."""

import functools
import hashlib
import hmac
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Blueprint, Flask

from tests.support.agent import (
    APPS,
    TRACESTITCH,
    FakeReceiver,
    environment,
    fake_receiver,
    free_port,
    line_of,
    running,
)
from tracestitch import (
    clocks,
    export,
    inventory,
    inventory_flask,
    inventory_process,
    migrations,
    route_guards,
    source,
)

DJANGO = APPS / "django_shop"
FLASK = APPS / "flask_debugging.py"
KEY = bytes.fromhex("ab" * 32)


def test_packages_are_read_from_the_names_of_their_folders(tmp_path: Path) -> None:
    for name in (
        "Flask_RESTful-0.3.10.dist-info",
        "zope.interface-6.0.egg-info",
        "PyJWT-2.9.0.dist-info",
        "flask",
    ):
        (tmp_path / "first" / name).mkdir(parents=True)
    (tmp_path / "second" / "pyjwt-1.0.dist-info").mkdir(parents=True)
    path = [str(tmp_path / "first"), str(tmp_path / "second"), str(tmp_path / "nowhere")]
    assert inventory.packages(path) == {"flask-restful": "0.3.10", "pyjwt": "2.9.0", "zope-interface": "6.0"}


def test_a_process_tells_what_it_weighs_each_minute_and_what_it_is_once_a_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    now = [1_000.0]
    monkeypatch.setattr(export, "background", lambda job: job())
    monkeypatch.setattr(export, "emit_event", lambda name, body: told.append(name if body else ""))
    monkeypatch.setattr(export, "settings_key", lambda: None)
    schedule = inventory.Schedule(lambda: now[0])

    for seconds in (0, 1, 58, 2, 30, 31, 86_400):
        now[0] += seconds
        schedule.once(None)

    weight, whole = "tracestitch.process", "tracestitch.inventory"
    assert told == [whole, weight, weight, whole]


def test_a_hash_is_24_bits_keyed_by_name_and_value() -> None:
    expected = hmac.new(KEY, b"DEBUG=True", hashlib.sha256).hexdigest()[:6]
    assert inventory.hashed({"DEBUG": True}, KEY) == {"DEBUG": expected}
    assert inventory.hashed({"DEBUG": True, "OTHER": 1}, KEY)["OTHER"] != expected


def test_without_a_key_there_are_names_and_no_hashes() -> None:
    assert inventory.hashed({"B": 1, "A": 2}, None) == {"A": "", "B": ""}


def test_equal_values_have_equal_texts_in_every_process() -> None:
    one, other = {"hosts": {"a", "b", "c"}, "call": object()}, {"call": object(), "hosts": {"c", "b", "a"}}
    assert inventory.stable_text(one) == inventory.stable_text(other)
    assert inventory.stable_text({"a": 1}) != inventory.stable_text({"a": 2})


def test_secrets_on_the_command_line_stay_there() -> None:
    argv = ["python", "app.py", "--token", "hunter2", "--password=hunter2", "postgres://me:hunter2@db/shop"]
    scrubbed = inventory.scrubbed_arguments(argv)
    assert scrubbed[:4] == ["python", "app.py", "--token", "REDACTED"]
    assert "hunter2" not in repr(scrubbed)


@pytest.mark.parametrize(
    ("code", "line", "function"),
    [
        ("app.run(debug=True)", 1, "<module>"),
        ("x = 1\napp.debug = True", 2, "<module>"),
        ('def make():\n    app.config["DEBUG"] = True', 2, "make"),
        ("app.config.update(\n    NAME=1,\n    DEBUG=True,\n)", 3, "<module>"),
        ("class Config:\n    DEBUG = True", 2, "Config"),
        ("app.run(debug=options.debug)\napp.run(debug=True)", 2, "<module>"),
        ("app.run(debug=options.debug)", 1, "<module>"),
    ],
)
def test_the_line_that_turns_debug_on_is_found(tmp_path: Path, code: str, line: int, function: str) -> None:
    module = module_of(tmp_path / "shop.py", code)
    assert source.debug_in_modules([module]) == {"file": module.__file__, "line": line, "function": function}


@pytest.mark.parametrize("code", ["app.run(debug=False)", "DEBUG = None", "def broken(", "x = 1"])
def test_a_line_that_turns_debug_off_is_not_blamed(tmp_path: Path, code: str) -> None:
    assert source.debug_in_modules([module_of(tmp_path / "shop.py", code)]) is None


def test_settings_may_come_from_a_module_that_they_import_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "NAME = 1\nDEBUG = True  # tracestitch: ignore[debug-exposed] behind the VPN"
    base = module_of(tmp_path / "base.py", code)
    settings = module_of(tmp_path / "production.py", "from .base import *")
    settings.__package__ = "conf"
    monkeypatch.setitem(sys.modules, "conf.base", base)
    assert source.debug_setting(settings) == {
        "file": base.__file__,
        "line": 2,
        "function": "<module>",
        "tracestitch.ignore": ("debug-exposed behind the VPN",),
    }


def module_of(file: Path, code: str) -> ModuleType:
    file.write_text(code)
    module = ModuleType(file.stem)
    module.__file__ = str(file)
    return module


def inventory_of(receiver: FakeReceiver, count: int = 1) -> Any:
    receiver.wait_for(lambda got: len(inventories(got)) >= count)
    return inventories(receiver)[0].body


def inventories(receiver: FakeReceiver) -> list[Any]:
    return [log for log in list(receiver.logs) if log.event_name == "tracestitch.inventory"]


@pytest.fixture(scope="module")
def django(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder, port = tmp_path_factory.mktemp("django"), free_port()
    server = ("python", "manage.py", "runserver", "--noreload", str(port))
    with fake_receiver() as receiver:
        environ = environment(receiver.url, SHOP_DEBUG="1", SHOP_DATABASE=str(folder / "shop.db"))
        command = (*TRACESTITCH, "run", *server, "--settings", "shop.settings")
        with running(command, environ=environ, output=folder / "log", port=port, folder=DJANGO) as app:
            app.get("/till/")
            app.get("/till/")
            yield inventory_of(receiver)
        assert len(inventories(receiver)) == 1


@pytest.mark.processes
def test_django_tells_its_codebase_and_switches(django: Any) -> None:
    assert django["framework"]["name"] == "django"
    assert django["codebase"] == "shop.settings"
    assert django["security"] == {"debug": True, "secret_key_weak": True, "allowed_hosts_any": False}
    settings = DJANGO / "shop" / "settings.py"
    assert django["debug_location"] == {
        "file": str(settings),
        "line": line_of(settings, "DEBUG = "),
        "function": "<module>",
    }
    assert django["middleware"][0] == "shop.middleware.health"
    assert django["server"]["model"] == "runserver"
    assert django["python"]["implementation"] == "cpython"
    assert django["packages"]["django"].startswith("5.")


@pytest.mark.processes
def test_django_tells_names_of_settings_and_no_values(django: Any) -> None:
    assert {"SECRET_KEY", "DATABASES", "ALLOWED_HOSTS"} <= set(django["settings"])
    assert all(len(value) == 6 and int(value, 16) >= 0 for value in django["settings"].values())
    assert "not-a-real-key" not in repr(django)


@pytest.mark.processes
def test_django_tells_routes_and_databases(django: Any) -> None:
    views = DJANGO / "shop" / "views.py"
    routes = {route["rule"]: route for route in django["routes"]}
    assert routes["/items/<int:pk>/"] == {
        "rule": "/items/<int:pk>/",
        "methods": [],
        "view": "shop.views.items",
        "file": str(views),
        "line": line_of(views, "def items("),
    }
    assert routes["/till/"]["methods"] == ["GET", "OPTIONS"]
    assert routes["/till/"]["view"] == "shop.views.Till"
    (database,) = django["databases"]
    assert (database["alias"], database["system"]) == ("default", "sqlite")
    assert database["namespace"].endswith("shop.db")


@pytest.mark.processes
def test_django_tells_what_its_own_checks_and_its_database_know(django: Any) -> None:
    assert "security.W018" in django["deploy_checks"]  # DEBUG is on
    assert all(":" not in check and "." in check for check in django["deploy_checks"])
    assert django["process"]["rss_bytes"] > 1_000_000
    assert isinstance(django["clock"]["utc_offset_s"], int)
    for name in django.get("unapplied_migrations", []):
        assert name.count(".") == 1


@pytest.mark.processes
def test_flask_tells_what_was_left_on(tmp_path: Path) -> None:
    port = free_port()
    with fake_receiver() as receiver:
        environ = environment(receiver.url, PORT=str(port), DATABASE=str(tmp_path / "shop.db"))
        command = (*TRACESTITCH, "run", "--environment", "staging", "python", FLASK.name)
        with running(command, environ=environ, output=tmp_path / "log", port=port) as app:
            app.get("/")
            body = inventory_of(receiver)
    assert body["framework"]["name"] == "flask"
    assert body["codebase"] == "debugging_shop"
    assert body["security"] == {
        "debug": True,
        "debugger_active": True,
        "secret_key_weak": True,
        "session_cookie_secure": False,
    }
    assert body["debug_location"] == {
        "file": str(FLASK),
        "line": line_of(FLASK, "# turned on"),
        "function": "<module>",
    }
    assert len(body["settings"]["PAYMENT_PASSWORD"]) == 6
    assert "hunter2" not in repr(body)
    routes = {route["rule"]: route for route in body["routes"]}
    assert (routes["/"]["methods"], routes["/"]["line"]) == (["GET"], line_of(FLASK, "# the index"))
    assert routes["/basket/<int:number>"]["line"] == line_of(FLASK, "# the basket")
    assert [database["namespace"] for database in body["databases"]] == [
        str((tmp_path / "shop.db").resolve())
    ]


@pytest.mark.processes
def test_each_worker_of_a_server_tells_once(tmp_path: Path) -> None:
    port = free_port()
    gunicorn = ("gunicorn", "--workers", "2", "--bind", f"127.0.0.1:{port}", "flask_debugging:app")
    with fake_receiver() as receiver:
        environ = environment(receiver.url, PORT=str(port), DATABASE=str(tmp_path / "shop.db"))
        with running(
            (*TRACESTITCH, "run", *gunicorn), environ=environ, output=tmp_path / "log", port=port
        ) as app:
            for _ in range(40):
                app.get("/")
            receiver.wait_for(lambda got: len({log.resource["process.pid"] for log in inventories(got)}) > 0)
    pids = [log.resource["process.pid"] for log in inventories(receiver)]
    assert len(pids) == len(set(pids)) <= 2
    body = inventories(receiver)[0].body
    assert body["server"]["model"] == "gunicorn sync"
    assert body["security"]["debug"] is False
    assert "debug_location" not in body


@pytest.mark.parametrize(
    ("model", "argv", "environ", "seconds"),
    [
        ("gunicorn sync", ["gunicorn", "shop.wsgi"], {}, 30.0),
        ("gunicorn sync", ["gunicorn", "--timeout", "90", "shop.wsgi"], {}, 90.0),
        ("gunicorn gthread", ["gunicorn", "--timeout=5", "shop.wsgi"], {}, 5.0),
        ("gunicorn", ["gunicorn", "-t", "7", "shop.wsgi"], {}, 7.0),
        ("gunicorn", ["gunicorn", "shop.wsgi"], {"GUNICORN_CMD_ARGS": "--timeout 11"}, 11.0),
        ("gunicorn", ["gunicorn", "-c", "conf.py", "shop.wsgi"], {}, None),
        ("uvicorn", ["uvicorn", "shop.asgi:app"], {}, None),
    ],
)
def test_how_long_a_worker_may_work_is_told(
    tmp_path: Path, model: str, argv: list[str], environ: dict[str, str], seconds: float | None
) -> None:
    assert inventory_process.worker_timeout_s(model, argv, environ, str(tmp_path)) == seconds


def test_a_settings_file_of_gunicorn_leaves_its_timeout_unknown(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("timeout = 3")
    assert (
        inventory_process.worker_timeout_s("gunicorn", ["gunicorn", "shop.wsgi"], {}, str(tmp_path)) is None
    )


def test_a_process_tells_its_weight_its_zone_and_its_name() -> None:
    assert inventory_process.weight()["rss_bytes"] > 1_000_000
    assert set(inventory_process.clock()) == {"time_zone", "utc_offset_s", "time_ns"}
    assert inventory_process.replica({"POD_NAME": "shop-1", "HOME": "/root"}) == {"pod_name": "shop-1"}


def test_what_guards_a_route_is_named() -> None:
    class LoginRequiredMixin:
        pass

    class Till(LoginRequiredMixin):
        permission_classes = (type("IsAdminUser", (), {}), type("AllowAny", (), {}))

    def view() -> None: ...

    assert route_guards.guards(view) == []
    assert route_guards.guards(view, ("django.contrib.auth.middleware.LoginRequiredMiddleware",)) == [
        "LoginRequiredMiddleware"
    ]
    vars(view)["cls"] = Till
    assert route_guards.guards(view) == ["IsAdminUser", "LoginRequiredMixin"]


def test_djangos_own_decorator_is_found() -> None:
    from django.contrib.auth.decorators import login_required

    def page(request: object) -> object:
        return request

    assert route_guards.guards(login_required(page)) == ["login_required"]


def test_guards_of_flask_are_told_by_what_users_call_them() -> None:
    def require_role(view: Any) -> Any:
        @functools.wraps(view)
        def asking(*args: object) -> object:
            return view(*args)

        return asking

    def timed(view: Any) -> Any:
        @functools.wraps(view)
        def timing(*args: object) -> object:
            return view(*args)

        return timing

    def check_token() -> None: ...

    app = Flask("shop")
    staff = Blueprint("staff", "shop", url_prefix="/staff")
    staff.add_url_rule("/till", "till", timed(lambda: "till"))
    staff.before_request(check_token)
    app.register_blueprint(staff)
    app.add_url_rule("/open", "open", timed(lambda: "open"))
    app.add_url_rule("/prices", "prices", timed(require_role(lambda: "prices")))
    told = {entry["rule"]: entry.get("guards") for entry in inventory_flask.routes(app)}

    assert told["/open"] is None
    assert told["/prices"] == ["require_role"]
    assert told["/staff/till"] == ["check_token"]


@pytest.mark.parametrize(
    ("model", "command", "environ", "workers"),
    [
        ("gunicorn sync", "gunicorn -w 4 shop.wsgi", {}, 4),
        ("gunicorn sync", "gunicorn --workers=3 shop.wsgi", {}, 3),
        ("gunicorn sync", "gunicorn shop.wsgi", {"WEB_CONCURRENCY": "5"}, 5),
        ("gunicorn sync", "gunicorn shop.wsgi", {"GUNICORN_CMD_ARGS": "-w 2"}, 2),
        ("gunicorn sync", "gunicorn shop.wsgi", {}, 1),
        ("gunicorn sync", "gunicorn -c conf.py shop.wsgi", {}, None),
        ("uvicorn", "uvicorn --workers 2 shop.asgi:app", {}, 2),
        ("celery worker", "celery -A shop worker --concurrency=8", {}, 8),
        ("runserver", "manage.py runserver", {"WEB_CONCURRENCY": "5"}, None),
    ],
)
def test_the_number_of_workers_is_read_from_the_command(
    model: str, command: str, environ: dict[str, str], workers: int | None
) -> None:
    assert inventory_process.workers(model, command.split(), environ) == workers


def test_the_clock_is_compared_with_the_collectors_at_the_middle_of_the_question() -> None:
    second = 1_000_000_000
    assert clocks.offset_ms({"time_ns": 103 * second}, 100 * second, 102 * second) == -2_000.0
    assert clocks.offset_ms({"time_ns": 101 * second}, 100 * second, 102 * second) == 0.0
    assert clocks.offset_ms({"time_ns": "soon"}, 100 * second, 102 * second) is None
    assert clocks.offset_ms({}, 100 * second, 102 * second) is None


def test_migrations_are_told_by_their_files(tmp_path: Path) -> None:
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    for name in ("__init__.py", "0001_initial.py", "0002_squashed_0004.py", "0003_prices.py", "notes.txt"):
        (folder / name).touch()
    config = type("Config", (), {"label": "shop", "path": str(tmp_path / "shop")})
    elsewhere = type("Config", (), {"label": "other", "path": str(tmp_path / "nowhere")})

    assert migrations.written_migrations([config, elsewhere]) == {"shop.0001_initial", "shop.0003_prices"}


def test_an_inventory_is_due_once_a_day_and_costs_the_request_a_comparison(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[object] = []
    monkeypatch.setattr("tracestitch.export.background", given.append)
    now = [100.0]
    schedule = inventory.Schedule(lambda: now[0])

    for _ in range(1_000):
        schedule.once(None)
    assert len(given) == 1  # and nothing has been collected yet: that is the background's work

    now[0] += 86_401
    schedule.once(None)
    assert len(given) == 2
