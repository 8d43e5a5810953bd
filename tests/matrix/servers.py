"""The cells of servers: Django and Flask under each way there is to serve them."""

from tests.matrix.cell import DEVELOPMENT, Cell, Environment
from tests.matrix.serving import AT_THE_END, DJANGO, DJANGO_ASYNC, FLASK, Served

_DJANGO = ("django>=5.2,<6",)
_FLASK = ("flask>=3.1,<3.2", "sqlalchemy>=2.0,<2.1")


def environment(name: str, *packages: str) -> Environment:
    return Environment(name=name, requirements=(*packages, *_DJANGO, *_FLASK))


GUNICORN = environment("gunicorn", "gunicorn")
GEVENT = environment("gevent", "gunicorn", "gevent")
EVENTLET = environment("eventlet", "gunicorn<24", "eventlet")  # later ones have no such worker
UVICORN = environment("uvicorn", "uvicorn[standard]", "gunicorn")
UVICORN_WORKER = environment("uvicorn-worker", "uvicorn-worker", "gunicorn")
HYPERCORN = environment("hypercorn", "hypercorn")
DAPHNE = environment("daphne", "daphne")
UWSGI = environment("uwsgi", "uwsgi")
UWSGI_WITHOUT_THREADS = environment("uwsgi-2.0.26", "uwsgi==2.0.26")
WAITRESS = environment("waitress", "waitress")

_GUNICORN = ("gunicorn", "-b", "127.0.0.1:{port}")
_UVICORN = ("uvicorn", "shop.asgi:application", "--port", "{port}")
_UWSGI = ("uwsgi", "--http-socket", "127.0.0.1:{port}", "--need-app", "--die-on-term")
_RUNSERVER = ("python", "manage.py", "runserver", "{port}")


def served(name: str, where: Environment, run: Served, *, quick: bool = False, why_red: str = "") -> Cell:
    return Cell(group="servers", name=name, environment=where, run=run, quick=quick, why_red=why_red)


_DEVELOPMENT_SERVERS = (
    served("runserver", DEVELOPMENT, Served(DJANGO, _RUNSERVER), quick=True),
    served("runserver --noreload", DEVELOPMENT, Served(DJANGO, (*_RUNSERVER, "--noreload"))),
    served("flask run", DEVELOPMENT, Served(FLASK, ("flask", "--app", "flask_shop", "run", "-p", "{port}"))),
    served(
        "flask run --debug",
        DEVELOPMENT,
        Served(FLASK, ("flask", "--app", "flask_shop", "run", "-p", "{port}", "--debug")),
        quick=True,
    ),
    served("python app.py", DEVELOPMENT, Served(FLASK, ("python", "flask_shop.py", "{port}"))),
    served(
        "python app.py with debug=True",
        DEVELOPMENT,
        Served(FLASK, ("python", "flask_shop.py", "{port}"), {**AT_THE_END, "SHOP_DEBUG": "1"}),
    ),
)


def gunicorn(name: str, *options: str, quick: bool = False, where: Environment = GUNICORN) -> Cell:
    command = (*_GUNICORN, *options, "shop.wsgi")
    return served(f"gunicorn {name}", DEVELOPMENT if quick else where, Served(DJANGO, command), quick=quick)


_GUNICORNS = (
    gunicorn("sync"),
    gunicorn("-w 4", "-w", "4", quick=True),
    gunicorn("gthread", "-k", "gthread", "--threads", "4"),
    gunicorn("-w 4 --preload", "-w", "4", "--preload"),
    gunicorn("--max-requests 10", "-w", "2", "--max-requests", "10"),
    gunicorn("gevent", "-k", "gevent", where=GEVENT),
    gunicorn("gevent -w 2", "-k", "gevent", "-w", "2", where=GEVENT),
    gunicorn("eventlet", "-k", "eventlet", where=EVENTLET),
    served("gunicorn, Flask", GUNICORN, Served(FLASK, (*_GUNICORN, "flask_shop:app", "-w", "2"))),
    served("gunicorn gevent, Flask", GEVENT, Served(FLASK, (*_GUNICORN, "flask_shop:app", "-k", "gevent"))),
)

_ASYNCHRONOUS = (
    served("uvicorn", UVICORN, Served(DJANGO, _UVICORN)),
    served("uvicorn, asynchronous view", DEVELOPMENT, Served(DJANGO_ASYNC, _UVICORN), quick=True),
    served("uvicorn --workers 2", UVICORN, Served(DJANGO, (*_UVICORN, "--workers", "2"))),
    served("uvicorn --reload", UVICORN, Served(DJANGO, (*_UVICORN, "--reload"))),
    served(
        "gunicorn + uvicorn's worker",
        UVICORN_WORKER,
        Served(
            DJANGO, (*_GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "-w", "2", "shop.asgi:application")
        ),
    ),
    served(
        "hypercorn",
        HYPERCORN,
        Served(DJANGO, ("hypercorn", "-b", "127.0.0.1:{port}", "shop.asgi:application")),
    ),
    served(
        "hypercorn -w 2",
        HYPERCORN,
        Served(DJANGO, ("hypercorn", "-b", "127.0.0.1:{port}", "-w", "2", "shop.asgi:application")),
    ),
    served("daphne", DAPHNE, Served(DJANGO, ("daphne", "-p", "{port}", "shop.asgi:application"))),
)


def uwsgi(name: str, *options: str, where: Environment = UWSGI) -> Cell:
    """Sent by the clock: Ctrl-C reaches its workers twice, and in the midst of a request it runs no exit handlers."""
    command = (*_UWSGI, "--module", "shop.wsgi", *options)
    return served(f"uwsgi {name}".strip(), where, Served(DJANGO, command, {}, sent_by_the_clock=True))


_PROCESSES = ("--master", "--processes", "2")
_OTHERS = (
    uwsgi(""),
    uwsgi("--enable-threads", "--enable-threads"),
    uwsgi("--master --processes 2", *_PROCESSES),
    uwsgi("--master --processes 2 --lazy-apps", *_PROCESSES, "--lazy-apps"),
    uwsgi("--master --processes 2 --threads 2", *_PROCESSES, "--threads", "2"),
    uwsgi("without threads", where=UWSGI_WITHOUT_THREADS),
    uwsgi("without threads, --enable-threads", "--enable-threads", where=UWSGI_WITHOUT_THREADS),
    uwsgi("without threads, --master --processes 2", *_PROCESSES, where=UWSGI_WITHOUT_THREADS),
    served(
        "uwsgi, Flask",
        UWSGI,
        Served(FLASK, (*_UWSGI, "--module", "flask_shop:app", *_PROCESSES), {}, sent_by_the_clock=True),
    ),
    served(
        "waitress",
        WAITRESS,
        Served(DJANGO, ("waitress-serve", "--listen", "127.0.0.1:{port}", "shop.wsgi:application")),
    ),
)

CELLS: tuple[Cell, ...] = (*_DEVELOPMENT_SERVERS, *_GUNICORNS, *_ASYNCHRONOUS, *_OTHERS)
