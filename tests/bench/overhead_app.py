"""The app whose overhead is measured: a Django view with three queries and two log lines, or a Flask view with two
queries and two log lines. A server takes `overhead_app:django_app("FILE")`; as a program it serves itself in a loop:
reads a number of requests per line, answers with the CPU seconds that they took, all threads together."""

import io
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

# This file is the Django project's settings too: an agent may look at them before the app runs.
SECRET_KEY = "x" * 60
ALLOWED_HOSTS = ["testserver", "127.0.0.1"]
ROOT_URLCONF = "overhead_app"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
# Of the agents that their manuals have the app itself start.
AGENT = os.environ.get("OVERHEAD_AGENT", "")
if AGENT == "elastic":
    INSTALLED_APPS.append("elasticapm.contrib.django")
    MIDDLEWARE.insert(0, "elasticapm.contrib.django.middleware.TracingMiddleware")
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("OVERHEAD_DATABASE", "")}
}

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def start_agent(framework: str) -> None:
    if AGENT == "sentry":
        import_module("sentry_sdk").init(traces_sample_rate=1.0, enable_logs=True)
    elif AGENT == "logfire":
        logfire = import_module("logfire")
        logfire.configure(send_to_logfire=False, console=False)
        if framework == "django":
            logfire.instrument_django()
            logfire.instrument_sqlite3()
        logging.getLogger().addHandler(logfire.LogfireLoggingHandler())


def django_app(database: str) -> Wsgi:
    os.environ["OVERHEAD_DATABASE"] = database
    os.environ["DJANGO_SETTINGS_MODULE"] = "overhead_app"
    start_agent("django")
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    application: Wsgi = get_wsgi_application()
    from django.contrib.auth.models import User
    from django.http import HttpRequest, JsonResponse
    from django.urls import path

    call_command("migrate", verbosity=0)
    User.objects.bulk_create([User(username=f"user{number}") for number in range(50)])

    def view(_: HttpRequest) -> JsonResponse:
        log.info("listing users")
        total = User.objects.count()
        active = list(User.objects.filter(is_active=True).order_by("username")[:20])
        one = User.objects.get(username="user7")
        log.info("found %d of %d", len(active), total)
        return JsonResponse(
            {"total": total, "one": one.username, "names": [user.username for user in active]}
        )

    urlpatterns.append(path("items/", view))
    return application


def flask_app(database: str) -> Wsgi:
    start_agent("flask")
    import sqlalchemy as sa
    from flask import Flask, jsonify
    from sqlalchemy import orm

    app = Flask("overhead")
    engine = sa.create_engine("sqlite:///" + database)

    class Base(orm.DeclarativeBase):
        pass

    class Item(Base):
        __tablename__ = "item"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        name: orm.Mapped[str]

    if AGENT == "elastic":
        import_module("elasticapm.contrib.flask").ElasticAPM(app)
        import_module("elasticapm").instrument()
    elif AGENT == "logfire":
        import_module("logfire").instrument_flask(app)
        import_module("logfire").instrument_sqlalchemy(engine=engine)

    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add_all([Item(name=f"item{number}") for number in range(50)])
        session.commit()

    @app.get("/items/")
    def items() -> Any:
        log.info("listing items")
        with orm.Session(engine) as session:
            first = session.scalars(sa.select(Item).limit(20)).all()
            one = session.scalars(sa.select(Item).where(Item.name == "item7")).one()
            log.info("found %d", len(first))
            return jsonify(one=one.name, names=[item.name for item in first])

    return app


def serve(application: Wsgi, count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        body = application(environ(), lambda status, headers, exc_info=None: statuses.add(status))
        b"".join(body)
        close = getattr(body, "close", None)
        if close is not None:
            close()
    return time.process_time() - start


def environ() -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/items/", "SCRIPT_NAME": "", "QUERY_STRING": "page=2",
        "SERVER_NAME": "testserver", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "testserver",
        "REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0), "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False,
    }  # fmt: skip


urlpatterns: list[Any] = []
log = logging.getLogger("overhead")
statuses: set[str] = set()
logging.basicConfig(level=logging.INFO, stream=Path(os.devnull).open("w"))  # noqa: SIM115 - as long as the process

if __name__ == "__main__":
    sys.modules["overhead_app"] = sys.modules["__main__"]  # Django imports this file by its name
    make = {"django": django_app, "flask": flask_app}[sys.argv[1]]
    served = make(sys.argv[2])
    for line in sys.stdin:
        print(serve(served, int(line)), flush=True)
    assert statuses == {"200 OK"}, statuses
