"""A Django app and a Flask app that do what apps do, and a round of requests whose whole outcome is given back.

Nothing here knows of an agent: the outcome with one has to equal the outcome without.
"""

import asyncio
import io
import logging
import os
import re
import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import celery
import django
import flask
import httpx
import redis
import requests
import sqlalchemy as sa
import urllib3
from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
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


def driver(request):
    """A database and a cache without any ORM."""
    kept = sqlite3.connect(FOLDER / "raw.sqlite3", timeout=3)
    cursor = kept.cursor()
    found = [list(cursor.execute("SELECT name FROM part WHERE id < ?", (9,)))]
    kept.executemany("UPDATE part SET name = name WHERE id = ?", [(1,), (2,)])
    for statement in ("SELECT wrong FROM nowhere", b"SELECT 1"):
        try:
            kept.execute(statement)
        except (sqlite3.OperationalError, TypeError) as error:
            found.append(str(error))
    found.append([kept.total_changes, type(kept).__name__, repr(type(cursor))])
    kept.close()
    client = redis.Redis(port=CACHE.port, socket_timeout=5)
    found.append(str(client.get("cart:7")))
    found.append(
        [str(answer) for answer in client.pipeline(transaction=False).get("a:1").get("b:2").execute()]
    )
    try:
        client.set("wrong", 1)
    except redis.ResponseError as error:
        found.append(str(error))
    client.close()
    return JsonResponse({"found": found})


class Cache(threading.Thread):
    """So much of a Redis server that clients get an answer: a text to GET, an error to SET, and OK to the rest."""

    def __init__(self):
        super().__init__(daemon=True)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

    def run(self):
        while True:
            connection, _ = self._listening.accept()
            with connection, connection.makefile("rwb") as stream:
                while head := stream.readline():
                    words = [(stream.readline(), stream.readline())[1].strip() for _ in range(int(head[1:]))]
                    stream.write(ANSWERS.get(words[0].upper(), b"+OK\r\n"))
                    stream.flush()


ANSWERS = {
    b"GET": b"$3\r\nada\r\n",
    b"SET": b"-WRONGTYPE not a string\r\n",
    b"HELLO": b"%1\r\n+proto\r\n:3\r\n",
}
CACHE = Cache()


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
    path("driver", driver),
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
    with sqlite3.connect(FOLDER / "raw.sqlite3") as raw:
        raw.executescript(
            "CREATE TABLE part (id integer PRIMARY KEY, name); INSERT INTO part (name) VALUES ('nut')"
        )
    raw.close()
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
    found = []
    async with httpx.AsyncClient() as client:
        found.append((await client.get(UPSTREAM + "/agent")).status_code)
    async with aiohttp.ClientSession() as session:
        for address in (UPSTREAM + "/agent", UPSTREAM + "/nothing", "http://127.0.0.1:9/"):
            try:
                async with session.get(address, headers={"X-Of-App": "1"}) as answer:
                    found.append(answer.status)
            except aiohttp.ClientConnectionError as error:
                found.append(type(error).__name__)
    return found


class Report(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--fail", action="store_true")

    def handle(self, *args, **options):
        log.info("reporting %d", Item.objects.count())
        if options["fail"]:
            raise CommandError("nothing to report")
        return "reported"


@shop.cli.command("tidy")
def tidy():
    log.info("tidying")
    print("tidied")


def ordered():
    """A command of each framework."""
    done = []
    for arguments in ([], ["--fail"]):
        try:
            done.append(call_command(Report(stdout=io.StringIO()), *arguments))
        except CommandError as error:
            done.append(str(error))
    connection.close()
    for words in (["tidy"], ["tidy", "--wrong"]):
        answer = shop.test_cli_runner().invoke(args=words)
        done.append([answer.exit_code, answer.output])
    return done


def outcome():
    """A round of requests to both apps: all that a client and a reader of the log would see."""
    logging.getLogger().addHandler(TOLD)
    logging.getLogger().setLevel(logging.INFO)
    logging.raiseExceptions = True
    CACHE.start()
    site, asynchronous = WSGIHandler(), ASGIHandler()
    answers = [ask(site, f"/{name}?token=abc") for name in ("rows", "fetch", "work", "driver", "rows")]
    answers += [ask(site, f"/{name}") for name in ("broken", "lookup", "gone/7", "nowhere", "leave")]
    answers += [ask(site, "/stream"), ask(site, "/host"), ask(site, "/host", host="evil.test")]
    answers += [ask(shop, f"/{name}") for name in ("rows", "broken/7", "lookup", "teapot", "nowhere")]
    answers += [ask(shop, "/stream"), ask(shop, "/rows")]
    answers += [ask_asgi(asynchronous, f"/{name}") for name in ("host", "broken")]
    answers += [["async", asyncio.run(fetch_async())], ["commands", ordered()]]
    return {"answers": answers, "log": TOLD.lines}
