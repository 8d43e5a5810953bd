"""A Django app and a Flask app that do what apps do, and a round of requests whose whole outcome is given back.

Nothing here knows of an agent: the outcome with one has to equal the outcome without.
"""

import asyncio
import io
import logging
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import celery
import django
import flask
import httpx
import requests
import sqlalchemy as sa
import urllib3
from django.conf import settings
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from sqlalchemy import orm

UPSTREAM = os.environ["UPSTREAM"]
FOLDER = Path(os.environ["EXERCISE_FOLDER"])
log = logging.getLogger("shop")


class Told(logging.Handler):
    """What the app's own handlers get."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        if record.name == "tracestitch":
            return
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        line = f"{record.name} {record.levelname} {record.getMessage()} {kind} {record.filename} {record.funcName}"
        self.lines.append(re.sub(r"\[[0-9a-f-]{36}\]|in \d+\.\d+s", "…", line))  # what differs each time


TOLD = Told()


class HandlesBroken:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response["X-Middleware"] = "was here"
        return response

    def process_exception(self, request, exception):
        return HttpResponse("handled", status=409) if isinstance(exception, LookupError) else None


settings.configure(
    SECRET_KEY="exercise",
    ALLOWED_HOSTS=["shop.test"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[f"{__name__}.HandlesBroken"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "django.sqlite3"}},
    LOGGING_CONFIG=None,
    USE_TZ=True,
)
django.setup()

from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402
from django.db.utils import DatabaseError  # noqa: E402


class Item(models.Model):
    name = models.TextField()

    class Meta:
        app_label = "everywhere"
        db_table = "item"


tasks = celery.Celery("everywhere", broker="memory://", backend="cache+memory://")
tasks.conf.task_always_eager = True


@tasks.task
def add(one, other):
    log.info("adding %d", one)
    return one + other


@tasks.task(bind=True, max_retries=1)
def insist(self):
    raise self.retry(exc=ValueError("not yet"), countdown=0)


def rows(request):
    with transaction.atomic():
        names = [item.name for item in Item.objects.order_by("id")]
        Item.objects.filter(name="nobody").update(name="somebody")
    log.info("read %d rows", len(names))
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE item SET name = name WHERE id = %s", [(1,), (2,)])
        try:
            cursor.execute("SELECT wrong FROM nowhere")
        except DatabaseError as error:
            return JsonResponse({"names": names, "error": str(error)})


def fetch(request):
    found = [requests.get(UPSTREAM + "/agent", timeout=5).status_code]
    found.append(requests.get(UPSTREAM + "/nothing", timeout=5).status_code)
    found.append(urllib3.PoolManager().request("GET", UPSTREAM + "/agent", timeout=5.0, retries=False).status)
    with httpx.Client() as client:
        found.append(client.get(UPSTREAM + "/agent").status_code)
    try:
        requests.get("http://127.0.0.1:9/", timeout=5)
    except requests.ConnectionError as error:
        found.append(type(error).__name__)
    return JsonResponse({"found": found})


def work(request):
    done = []

    def piece():
        log.warning("a piece %s", "of work")
        done.append(Item.objects.count())
        connection.close()

    thread = threading.Thread(target=piece)
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        done.append(pool.submit(sum, [1, 2]).result())
        try:
            pool.submit(int, "x").result()
        except ValueError as error:
            done.append(str(error))
    done.append(add.delay(1, 2).get())
    done.append(type(insist.apply().result).__name__)
    return JsonResponse({"done": done})


def broken(request):
    try:
        {}["first"]
    except KeyError:
        raise RuntimeError("broken here")  # noqa: B904 - its context is to stay


def stream(request):
    def parts():
        for number in range(3):
            log.info("part %d", number)
            yield f"{number}\n".encode()

    return StreamingHttpResponse(parts(), content_type="text/plain")


def lookup(request):
    raise LookupError("the middleware knows")


def gone(request, number):
    raise Http404(number)


def leave(request):
    raise SystemExit(7)


def host(request):
    return HttpResponse(request.get_host())


urlpatterns = [
    path("rows", rows),
    path("fetch", fetch),
    path("work", work),
    path("broken", broken),
    path("stream", stream),
    path("lookup", lookup),
    path("gone/<int:number>", gone),
    path("leave", leave),
    path("host", host),
]

shop = flask.Flask(__name__)
engine = sa.create_engine(f"sqlite:///{FOLDER / 'flask.sqlite3'}")


class Base(orm.DeclarativeBase):
    pass


class Line(Base):
    __tablename__ = "line"
    id = orm.mapped_column(sa.Integer, primary_key=True)
    name = orm.mapped_column(sa.String)


@shop.get("/rows")
def flask_rows():
    with orm.Session(engine) as session, session.begin():
        names = list(session.scalars(sa.select(Line.name)))
        with session.begin_nested():
            session.execute(sa.update(Line).where(Line.id == 1).values(name=names[0]))
    log.info("read %d lines", len(names), extra={"more": 1})
    try:
        with engine.begin() as opened:
            opened.execute(sa.text("SELECT wrong FROM nowhere"))
    except sa.exc.OperationalError as error:
        return {"names": names, "error": str(error.orig)}


@shop.get("/broken/<int:number>")
def flask_broken(number):
    raise RuntimeError(f"broken {number}")


@shop.errorhandler(LookupError)
def flask_handler(error):
    log.exception("handled %s", error)
    return {"code": 409, "detail": str(error)}, 409


@shop.get("/lookup")
def flask_lookup():
    raise LookupError("handled by Flask")


@shop.get("/teapot")
def teapot():
    flask.abort(418)


@shop.get("/stream")
def flask_stream():
    def parts():
        log.info("first part of %s", flask.request.path)
        yield "one\n"
        yield "two\n"

    return flask.Response(flask.stream_with_context(parts()), mimetype="text/plain")


def prepare():
    """The tables; before anything is observed, and closed again."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE item (id integer PRIMARY KEY, name text)")
        cursor.execute("INSERT INTO item (name) VALUES ('ada'), ('bob')")
    connection.close()
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add_all([Line(name="ada"), Line(name="bob")])
        session.commit()
    engine.dispose()


def ask(app, target, host="shop.test"):
    """One request over WSGI, as a server would make it: the status, headers and body, or what was raised."""
    path_info, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path_info,
        "QUERY_STRING": query,
        "SERVER_NAME": "shop.test",
        "SERVER_PORT": "80",
        "HTTP_HOST": host,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
    }
    answer = []
    try:
        body = app(environ, lambda status, headers, exc_info=None: answer.append([status, sorted(headers)]))
        try:
            answer.append(b"".join(body).decode())
        finally:
            if hasattr(body, "close"):
                body.close()
    except BaseException as error:
        answer.append(chain(error))
    return [target, answer]


def chain(error):
    """An exception with those it came from, as a traceback would print them."""
    seen = []
    while error is not None:
        seen.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return seen


def ask_asgi(app, target):
    sent, asked = [], []

    async def receive():
        if asked:
            await asyncio.Event().wait()
        asked.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(str(sorted(message.items())))

    scope = {
        "type": "http",
        "method": "GET",
        "path": target,
        "query_string": b"",
        "headers": [(b"host", b"shop.test")],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("shop.test", 80),
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(app(scope, receive, send))
    return [target, sent]


async def fetch_async():
    async with httpx.AsyncClient() as client:
        return (await client.get(UPSTREAM + "/agent")).status_code


def outcome():
    """A round of requests to both apps: all that a client and a reader of the log would see."""
    logging.getLogger().addHandler(TOLD)
    logging.getLogger().setLevel(logging.INFO)
    logging.raiseExceptions = True
    site, asynchronous = WSGIHandler(), ASGIHandler()
    answers = [ask(site, f"/{name}?token=abc") for name in ("rows", "fetch", "work", "rows")]
    answers += [ask(site, f"/{name}") for name in ("broken", "lookup", "gone/7", "nowhere", "leave")]
    answers += [ask(site, "/stream"), ask(site, "/host"), ask(site, "/host", host="evil.test")]
    answers += [ask(shop, f"/{name}") for name in ("rows", "broken/7", "lookup", "teapot", "nowhere")]
    answers += [ask(shop, "/stream"), ask(shop, "/rows")]
    answers += [ask_asgi(asynchronous, f"/{name}") for name in ("host", "broken")]
    answers.append(["async", asyncio.run(fetch_async())])
    return {"answers": answers, "log": TOLD.lines}
