"""Requests as a server would make them, and all that a client and a reader of the log would see of them."""

import asyncio
import io
import itertools
import logging
import re


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
        # What differs each time.
        line = re.sub(r"\[[0-9a-f-]{36}\]|in \d+\.\d+s|0x[0-9a-f]+", "…", line)
        self.lines.append(line)


TOLD = Told()


def told_since(before):
    return TOLD.lines[before:]


def ask(app, target, host="shop.test", leaves_after=None):
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
            answer.append(b"".join(itertools.islice(body, leaves_after)).decode())
        finally:
            if hasattr(body, "close"):
                body.close()
    except BaseException as error:
        answer.append(chain(error))
    # As runserver says it of each request.
    logging.getLogger("django.server").info('"GET %s HTTP/1.1" %s', target, len(answer))
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
