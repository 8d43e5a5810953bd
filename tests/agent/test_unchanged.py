"""A process with the agent looks from inside, and ends, as it does without."""

import re
import subprocess
from collections.abc import Sequence

import pytest

from tests.support.agent import TRACESTITCH, environment, fake_receiver, run_to_end

pytestmark = pytest.mark.processes
RUN = [*TRACESTITCH, "run"]


def both(
    command: Sequence[str], **environ: str
) -> tuple[subprocess.CompletedProcess[str], subprocess.CompletedProcess[str]]:
    with fake_receiver() as receiver:
        bare = run_to_end(command, environ=environment(receiver.url, **environ))
        observed = run_to_end([*RUN, *command], environ=environment(receiver.url, **environ))
    return bare, observed


def test_a_process_looks_the_same_from_inside() -> None:
    bare, observed = both(["python", "manners.py"])

    assert bare.returncode == 0, bare.stderr
    assert observed.stdout == bare.stdout
    assert observed.stderr == bare.stderr


def test_an_app_in_development_mode_with_warnings_as_errors_says_nothing_of_ours() -> None:
    script = (
        "import flask_stock, logging, threading; client = flask_stock.app.test_client();"
        "print(client.get('/stock/a').status_code, client.get('/broken').status_code, client.get('/stream').data);"
        "thread = threading.Thread(target=client.get, args=('/stock/b',)); thread.start(); thread.join()"
    )
    bare, observed = both(["python", "-X", "dev", "-W", "error", "-c", script])

    assert observed.returncode == bare.returncode == 0, observed.stderr
    assert observed.stdout == bare.stdout
    for word in ("Warning", "tracestitch", "Error in sys", "Exception ignored"):
        assert observed.stderr.count(word) == bare.stderr.count(word), observed.stderr


def test_the_tracebacks_that_frameworks_log_are_the_users_own() -> None:
    """Also where a hook of ours stands between: around Django's statements, Flask's handlers and its own views."""
    flask = "import flask_stock; flask_stock.app.test_client().get('/broken')"
    bare, observed = both(["python", "-c", flask])
    assert "the shelf fell" in bare.stderr
    assert observed.stderr == bare.stderr

    django = DJANGO.partition("from django.test")[0].format(debug=False) + DJANGO_BREAKS
    bare, observed = both(["python", "-c", django])
    assert "no such table: nowhere" in bare.stderr
    assert observed.stderr == bare.stderr


DJANGO_BREAKS = """
import logging; logging.basicConfig()
from django.db import connection
settings.DATABASES["default"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
def query(request):
    connection.cursor().execute("SELECT 1 FROM nowhere")
urlpatterns.append(path("query", query))
from django.core.handlers.wsgi import WSGIHandler
import io
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/query", "SERVER_NAME": "shop.test", "SERVER_PORT": "80",
    "HTTP_HOST": "shop.test", "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http"}
WSGIHandler()(environ, lambda *_: None)
"""


def test_asyncio_in_debug_mode_says_nothing_of_ours() -> None:
    script = """
import asyncio, logging
logging.basicConfig(level=logging.WARNING)
async def work():
    logging.getLogger("shop").warning("in a task")
    await asyncio.sleep(0)
async def main():
    await asyncio.gather(*(work() for _ in range(10)), asyncio.to_thread(print, "in a thread"))
asyncio.run(main(), debug=True)
"""
    bare, observed = both(["python", "-X", "dev", "-c", script])

    assert (observed.returncode, observed.stdout) == (bare.returncode, bare.stdout)
    assert observed.stderr == bare.stderr


ENDS = {
    "exit with a number": "import sys; sys.exit(3)",
    "exit with a text": "import sys; sys.exit('sorry')",
    "an exception": "def fail(): raise ValueError('mine')\nfail()",
    "an exception with a cause": "try:\n  1/0\nexcept Exception as e:\n  raise KeyError('k') from e",
    "os._exit": "import os; os._exit(5)",
    "abort": "import os; os.abort()",
    "SIGTERM": "import os, signal; os.kill(os.getpid(), signal.SIGTERM); import time; time.sleep(5)",
    "SIGINT": "import os, signal; os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(5)",
    "SIGINT that is handled": "import signal, sys\ntry:\n  signal.raise_signal(2)\n"
    "except KeyboardInterrupt:\n  sys.exit(9)",
    "SIGTERM that is ignored": "import signal; signal.signal(15, signal.SIG_IGN); signal.raise_signal(15)",
    "SIGTERM with a handler": "import signal, sys; signal.signal(15, lambda *_: sys.exit(4)); signal.raise_signal(15)",
    "SIGTERM set back": "import signal; signal.signal(15, signal.SIG_DFL); signal.raise_signal(15)",
    "an order at exit": "import atexit; atexit.register(print, 1); atexit.register(print, 2)",
    "a failure at exit": "import atexit; atexit.register(lambda: 1/0)",
    "a daemon thread": "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "a recursion without end": "def f(): f()\nf()",
    "faulthandler": "import faulthandler, sys; faulthandler.enable(); print(faulthandler.is_enabled())",
    "an assertion in a class": "class A:\n  def __del__(self): raise ValueError('late')\na = A(); del a",
}


@pytest.mark.parametrize("way", ENDS)
def test_a_process_ends_as_it_does_without_the_agent(way: str) -> None:
    bare, observed = both(["python", "-c", ENDS[way]])

    assert observed.returncode == bare.returncode
    assert observed.stdout == bare.stdout
    assert without_addresses(observed.stderr) == without_addresses(bare.stderr)


def without_addresses(text: str) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", text)


TRACEBACKS = """
import asyncio, traceback
{imports}
{prepare}
try:
    {call}
except Exception:
    traceback.print_exc()
"""
NOBODY = "http://127.0.0.1:9"
AIOHTTP = """
async def ask(session=None):
    async with aiohttp.ClientSession() as session:
        await session.get('http://127.0.0.1:9')
"""
DJANGO_CURSOR = """
from django.conf import settings
settings.configure(DATABASES={'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}})
from django.db import connection
cursor = connection.cursor()
"""
BREAKING = {
    "requests": ("import requests", "", f"requests.get('{NOBODY}')"),
    "urllib3": ("import urllib3", "", f"urllib3.PoolManager().request('GET', '{NOBODY}', retries=1)"),
    "httpx": ("import httpx", "", f"httpx.get('{NOBODY}')"),
    "httpx, asynchronous": ("import httpx", "", f"asyncio.run(httpx.AsyncClient().get('{NOBODY}'))"),
    "aiohttp": ("import aiohttp", AIOHTTP, "asyncio.run(ask())"),
    "redis": ("import redis", "", "redis.Redis(port=9).get('a')"),
    "sqlite3, a statement": ("import sqlite3", "raw = sqlite3.connect(':memory:')", "raw.execute('x')"),
    "sqlite3, connecting": ("import sqlite3", "", "sqlite3.connect('/nowhere/at.all')"),
    "SQLAlchemy": (
        "import sqlalchemy as sa",
        "opened = sa.create_engine('sqlite://').connect()",
        "opened.execute(sa.text('x'))",
    ),
    "Django's cursor": ("import django", DJANGO_CURSOR, "cursor.execute('x')"),
    "logging": ("import logging", "", "logging.getLogger('a').callHandlers(1, 2)"),
}


@pytest.mark.parametrize("in_trace", [False, True], ids=["alone", "in a trace"])
@pytest.mark.parametrize("library", BREAKING)
def test_a_traceback_that_the_app_prints_shows_no_frame_of_ours(library: str, in_trace: bool) -> None:
    """Of the exception itself and of those it came from."""
    imports, prepare, call = BREAKING[library]
    if in_trace:
        prepare += "\nfrom opentelemetry import trace\ntrace.get_tracer('app').start_as_current_span('job').__enter__()\n"
    bare, observed = both(["python", "-c", TRACEBACKS.format(imports=imports, prepare=prepare, call=call)])

    assert "Traceback (most recent call last)" in bare.stderr
    assert without_addresses(observed.stderr) == without_addresses(bare.stderr)


DJANGO = """
import django
from django.conf import settings
def health(get_response):
    def middleware(request):
        from django.http import HttpResponse
        return HttpResponse("ok") if request.path == "/healthz" else get_response(request)
    return middleware
import sys
sys.modules["site_of_test"] = sys.modules["__main__"]
settings.configure(ALLOWED_HOSTS=["shop.test"], ROOT_URLCONF="site_of_test", SECRET_KEY="x", DEBUG={debug},
    MIDDLEWARE=["site_of_test.health", "django.middleware.common.CommonMiddleware"])
django.setup()
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse(request.get_host()))]
from django.test import Client
for host in ("shop.test", "10.0.0.7:8000", "evil.test", "", "bad host", "[::1"):
    for target in ("/", "/healthz", "/none"):
        answer = Client(SERVER_NAME="shop.test").get(target, HTTP_HOST=host)
        print(host, target, answer.status_code, len(answer.content) if not {debug} else "", sorted(answer.headers))
"""


@pytest.mark.parametrize("debug", [True, False])
def test_hosts_that_are_not_allowed_and_probes_answer_as_before(debug: bool) -> None:
    bare, observed = both(["python", "-c", DJANGO.format(debug=debug)])

    assert "evil.test / 400" in bare.stdout, bare.stderr
    assert "10.0.0.7:8000 /healthz 200" in bare.stdout
    assert observed.stdout == bare.stdout
