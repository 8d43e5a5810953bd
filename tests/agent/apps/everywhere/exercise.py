"""A Django app and a Flask app that do what apps do, and rounds of requests whose whole outcome is given back.

Nothing here knows of an agent: the outcome with one has to equal the outcome without.
"""

import asyncio
import io
import logging
import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import celery
import django
import flask
import flask_restful
import httpx
import redis
import requests
import sqlalchemy as sa
import urllib3
from asking import TOLD, ask, ask_asgi, told_since
from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from peers import CACHE
from sqlalchemy import orm

UPSTREAM = os.environ["UPSTREAM"]
FOLDER = Path(os.environ["EXERCISE_FOLDER"])
log = logging.getLogger("shop")


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
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [FOLDER]}],
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "django.sqlite3"}},
    LOGGING_CONFIG=None,
    USE_TZ=True,
)
django.setup()

import pages  # noqa: E402 - it has models and views, which ask for the settings
import workers  # noqa: E402
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
    for _ in range(2):
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
    *pages.urlpatterns,
]

shop = flask.Flask(__name__)
engine = sa.create_engine(f"sqlite:///{FOLDER / 'flask.sqlite3'}")


class Base(orm.DeclarativeBase):
    pass


@shop.before_request
def before():
    flask.g.seen = True


@shop.after_request
def after(response):
    response.headers["X-Hook"] = str(flask.g.seen)
    return response


@shop.teardown_request
def teardown(error):
    log.info("the end of %s", flask.request.path)


class Price(flask_restful.Resource):
    def get(self, sku):
        if sku == "none":
            flask_restful.abort(404, message="no such price")
        return {"sku": sku}


flask_restful.Api(shop).add_resource(Price, "/price/<sku>")


@shop.get("/page")
def page():
    return flask.render_template_string("{% for row in rows %}{{ row }};{% endfor %}", rows=[1, 2])


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
        pages.prepare(cursor, FOLDER)
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


SITE, ASYNCHRONOUS = WSGIHandler(), ASGIHandler()


def asked(app, *targets):
    return lambda: [ask(app, target) for target in targets]


# What is asked apart, so that a fault need only be met by what passes it.
PARTS = {
    "queries": asked(SITE, "/rows?token=abc", "/rows"),
    "calls": asked(SITE, "/fetch"),
    "threads": asked(SITE, "/work"),
    "drivers": asked(SITE, "/driver"),
    "errors": asked(SITE, "/broken", "/lookup", "/gone/7", "/nowhere", "/leave"),
    "streams": lambda: [ask(SITE, "/stream"), ask(SITE, "/stream", leaves_after=1), ask(SITE, "/host")],
    "hosts": lambda: [ask(SITE, "/host", host="evil.test")],
    "pages": asked(SITE, "/page", "/cached", "/form?amount=x", "/notes", "/slow"),
    "rest": asked(SITE, "/rest", "/rest?fail=1", "/rest?forbid=1", "/members"),
    "flask": asked(shop, "/rows", "/price/a", "/price/none", "/page", "/teapot", "/nowhere", "/rows"),
    "flask errors": asked(shop, "/broken/7", "/lookup", "/stream"),
    "asgi": lambda: [ask_asgi(ASYNCHRONOUS, f"/{name}") for name in ("host", "broken", "later", "drip")],
    "async calls": lambda: [asyncio.run(fetch_async())],
    "commands": ordered,
    "worker": lambda: workers.worked(UPSTREAM),
}


def outcome(names=tuple(PARTS)):
    """Of these parts: all that a client and a reader of the log would see."""
    logging.getLogger().addHandler(TOLD)
    logging.getLogger().setLevel(logging.INFO)
    logging.raiseExceptions = True
    CACHE.start()
    found = {}
    for name in names:
        before = len(TOLD.lines)
        found[name] = {"answers": PARTS[name](), "log": told_since(before)}
    return found
