"""A Django project started as its author would start it, calling a Flask service, with the agent in both."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.agent import (
    APPS,
    CLIENT,
    TRACESTITCH,
    App,
    FakeReceiver,
    SentSpan,
    environment,
    fake_receiver,
    free_port,
    line_of,
    run_to_end,
    running,
)

pytestmark = pytest.mark.processes
SHOP = APPS / "django_shop"
VIEWS = SHOP / "shop" / "views.py"
SERVERS: dict[str, Sequence[str]] = {
    "gunicorn": ["gunicorn", "shop.wsgi", "-b", "127.0.0.1:{port}"],
    "runserver": ["python", "manage.py", "runserver", "{port}"],
    "uvicorn": ["uvicorn", "shop.asgi:application", "--port", "{port}"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    app: App
    receiver: FakeReceiver
    database: Path

    def request(self, path: str, host: str | None = None) -> tuple[int, SentSpan]:
        """Asks for the path, and gives the status and the one server span of it."""
        before = {span.span_id for span in self.receiver.server_spans()}
        status, _ = self.app.get(path, headers={"Host": host} if host else {})

        def those() -> list[SentSpan]:
            plain = path.partition("?")[0]
            return [
                span
                for span in self.receiver.server_spans("shop")
                if span.attributes["url.path"] == plain and span.span_id not in before
            ]

        self.receiver.wait_for(lambda _: bool(those()))
        [span] = those()
        return status, span


@pytest.fixture(scope="module", params=SERVERS)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("django")
    port, stock_port = free_port(), free_port()
    with fake_receiver() as receiver:
        environ = environment(
            receiver.url,
            SHOP_DATABASE=str(folder / "db.sqlite3"),
            STOCK_URL=f"http://127.0.0.1:{stock_port}",
            SHOP_DEBUG="1" if request.param == "runserver" else "",
        )
        migrated = run_to_end(["python", "manage.py", "migrate"], environ=environ, folder=SHOP)
        assert migrated.returncode == 0, migrated.stderr
        command = [part.format(port=port) for part in SERVERS[request.param]]
        with (
            running(
                [*TRACESTITCH, "run", "--service", "stock", "python", "flask_stock.py", str(stock_port)],
                environ=environ,
                output=folder / "stock",
                port=stock_port,
            ),
            running(
                [*TRACESTITCH, "run", *command],
                environ=environ,
                output=folder / "shop",
                port=port,
                folder=SHOP,
            ) as app,
        ):
            yield Shop(app=app, receiver=receiver, database=folder / "db.sqlite3")
            assert "tracestitch:" not in app.said()  # nothing of ours failed


def test_a_request_is_one_server_span_with_route_and_view(shop: Shop) -> None:
    status, span = shop.request("/items/1/?q=secret")

    assert status == 200
    assert span.name == "GET /items/<int:pk>/"
    assert span.attributes["http.route"] == "/items/<int:pk>/"
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["url.query"] == "q=REDACTED"
    assert span.attributes["code.file.path"] == str(VIEWS)
    assert span.attributes["code.line.number"] == line_of(VIEWS, "def items(")
    assert span.attributes["code.function.name"] == "shop.views.items"
    assert span.resource["service.name"] == "shop"


def test_statements_are_children_with_template_table_and_line(shop: Shop) -> None:
    _, span = shop.request("/items/2/")

    shop.receiver.wait_for(lambda got: len(got.children(span)) >= 4)
    select, begin, insert, commit = shop.receiver.children(span)
    assert (select.name, begin.name, insert.name) == ("SELECT shop_item", "BEGIN", "INSERT shop_item")
    assert commit.name == "COMMIT"
    assert select.kind == CLIENT
    assert select.attributes["db.system.name"] == "sqlite"
    assert select.attributes["db.namespace"] == str(shop.database)
    assert select.attributes["db.query.text"] == (
        'SELECT "shop_item"."id", "shop_item"."name" FROM "shop_item" '
        'WHERE "shop_item"."id" = %s ORDER BY "shop_item"."id" ASC LIMIT ?'
    )
    assert select.attributes["db.operation.name"] == "SELECT"
    assert select.attributes["db.collection.name"] == "shop_item"
    assert select.attributes["code.file.path"] == str(VIEWS)
    assert select.attributes["code.line.number"] == line_of(VIEWS, "# the select")
    assert select.attributes["tracestitch.db.in_transaction"] is False
    assert insert.attributes["code.line.number"] == line_of(VIEWS, "# the insert")
    assert insert.attributes["tracestitch.db.in_transaction"] is True


def test_one_trace_runs_through_both_services(shop: Shop) -> None:
    _, span = shop.request("/order/")

    shop.receiver.wait_for(lambda got: any(s.trace_id == span.trace_id for s in got.server_spans("stock")))
    [call] = shop.receiver.children(span)
    [stock] = [s for s in shop.receiver.server_spans("stock") if s.trace_id == span.trace_id]
    assert call.kind == CLIENT
    assert call.attributes["code.line.number"] == line_of(VIEWS, "# the call")
    assert "hunter2" not in call.attributes["url.full"]
    assert stock.parent_id == call.span_id
    assert span.start_ns <= call.start_ns <= stock.start_ns <= stock.end_ns
    assert call.end_ns <= span.end_ns


def test_logs_have_ids_locations_and_no_card_number(shop: Shop) -> None:
    _, span = shop.request("/items/3/?fail=1")

    shop.receiver.wait_for(lambda got: len(got.logs_of(span)) == 2)
    first, second = shop.receiver.logs_of(span)
    assert (first.body, first.severity) == ("showing item 3", "INFO")
    assert first.attributes["tracestitch.log.template"] == "showing item %s"
    assert first.attributes["code.line.number"] == line_of(VIEWS, 'log.info("showing')
    assert (second.body, second.severity) == ("card REDACTED failed", "ERROR")
    assert second.attributes["tracestitch.log.arguments"] == ["REDACTED"]


def test_a_stream_belongs_to_its_request_with_statements_and_logs(shop: Shop) -> None:
    status, span = shop.request("/stream/")

    shop.receiver.wait_for(lambda got: len(got.children(span)) == 3 and len(got.logs_of(span)) == 3)
    assert status == 200
    assert {child.name for child in shop.receiver.children(span)} == {"SELECT shop_item"}
    assert {child.attributes["code.line.number"] for child in shop.receiver.children(span)} == {
        line_of(VIEWS, "# in the stream")
    }


@pytest.mark.parametrize(("path", "route"), [("/missing/", "/missing/"), ("/nowhere/", None)])
def test_404_is_no_error(shop: Shop, path: str, route: str | None) -> None:
    status, span = shop.request(path)

    assert status == 404
    assert not span.is_error
    assert span.events == []
    assert span.attributes.get("http.route") == route


def test_an_unhandled_exception_is_on_the_span_with_frames(shop: Shop) -> None:
    status, span = shop.request("/broken/")

    assert status == 500
    assert span.is_error
    assert span.attributes["error.type"] == "RuntimeError"
    [event] = span.events
    assert event.attributes["exception.message"] == "the till is stuck, password=REDACTED"
    assert event.attributes["tracestitch.exception.handled"] is False
    innermost = json.loads(event.attributes["tracestitch.exception.frames"])[-1]
    assert innermost == {
        "file": str(VIEWS),
        "line": line_of(VIEWS, 'raise RuntimeError("the till'),
        "function": "shop.views.broken",
        "in_app": True,
    }
    assert "hunter2" not in str(span)


def test_an_exception_in_a_middleware_is_on_the_span_too(shop: Shop) -> None:
    status, span = shop.request("/breaks-in-middleware")

    assert status == 500
    assert [event.attributes["exception.type"] for event in span.events] == ["LookupError"]


def test_an_exception_that_a_middleware_handles_is_marked_so(shop: Shop) -> None:
    status, span = shop.request("/overloaded/")

    assert status == 503
    assert span.is_error
    [event] = span.events
    assert event.attributes["tracestitch.exception.handled"] is True
    assert span.attributes["tracestitch.response.body_shape"] == "detail:str"


@pytest.mark.parametrize(
    ("path", "function"),
    [("/till/", "shop.views.Till.get"), ("/counted/", "shop.views.counted"), ("/old/3/", "shop.views.items")],
)
def test_views_are_found_in_classes_and_beneath_decorators(shop: Shop, path: str, function: str) -> None:
    _, span = shop.request(path)

    assert span.attributes["code.function.name"] == function
    definition = f"def {function.rpartition('.')[2]}(self" if "Till" in function else f"def {function[11:]}("
    assert span.attributes["code.line.number"] == line_of(VIEWS, definition)


def test_rest_frameworks_refusals_are_answers_with_a_shape(shop: Shop) -> None:
    status, body = shop.app.get(
        "/checked/", method="POST", body=b"{}", headers={"content-type": "application/json"}
    )

    shop.receiver.wait_for(lambda got: any(s.name == "POST /checked/" for s in got.server_spans()))
    span = next(s for s in shop.receiver.server_spans() if s.name == "POST /checked/")
    assert (status, body) == (400, b'{"amount":["too much"]}')
    assert span.events == []
    assert span.attributes["tracestitch.response.body_shape"] == "amount:list"
    assert span.attributes["code.line.number"] == line_of(VIEWS, "def post(self")


def test_a_probe_with_a_foreign_host_is_answered_as_without_the_agent(shop: Shop) -> None:
    assert shop.request("/healthz", host="10.0.0.7:8000")[0] == 200
    assert shop.request("/host/", host="10.0.0.7:8000")[0] == 400


def test_one_inventory_is_sent_for_the_process(shop: Shop) -> None:
    shop.request("/items/4/")

    shop.receiver.wait_for(lambda got: any(_is_shops_inventory(log) for log in got.logs))
    assert len([log for log in shop.receiver.logs if _is_shops_inventory(log)]) == 1


def _is_shops_inventory(log: object) -> bool:
    return getattr(log, "event_name", "") == "tracestitch.inventory" and (
        getattr(log, "resource", {})["service.name"] == "shop"
    )


def test_migrations_make_no_rootless_traces(tmp_path: Path) -> None:
    with fake_receiver() as receiver:
        environ = environment(receiver.url, SHOP_DATABASE=str(tmp_path / "db.sqlite3"))
        done = run_to_end(
            [*TRACESTITCH, "run", "python", "manage.py", "migrate"], environ=environ, folder=SHOP
        )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert receiver.spans == []


def test_check_sees_the_settings_as_without_the_agent(tmp_path: Path) -> None:
    """The stock instrumentor configures empty settings first, and Django then finds no app at all."""
    script = "from django.conf import settings; print(settings.INSTALLED_APPS, settings.configured)"
    command = ["python", "manage.py", "shell", "-v", "0", "-c", script]
    environ = environment("http://127.0.0.1:9", SHOP_DATABASE=str(tmp_path / "db.sqlite3"))

    bare = run_to_end(command, environ=environ, folder=SHOP)
    observed = run_to_end([*TRACESTITCH, "run", *command], environ=environ, folder=SHOP)

    assert bare.stdout == observed.stdout
    assert "'shop'" in observed.stdout
