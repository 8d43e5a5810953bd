"""A request's facts, read from what a server hands over, however odd."""

import time
from typing import Any

import pytest

from tracestitch.incoming import asgi_headers, host_and_port, of_asgi, of_wsgi, queue_time_s


def environ(**more: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "0.0.0.0",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        **more,
    }


def told(environ: dict[str, Any]) -> dict[str, Any]:
    facts = of_wsgi(environ)
    return {**facts.client, **facts.own}


def test_a_path_in_another_script_is_utf8() -> None:
    facts = told(environ(SCRIPT_NAME="/shop", PATH_INFO="/sch\xc3\xb6n"))

    assert facts["url.path"] == "/shop/sch\u00f6n"


def test_a_method_that_is_none_of_https_is_told_apart() -> None:
    facts = told(environ(REQUEST_METHOD="BREW" * 100))

    assert facts["http.request.method"] == "_OTHER"
    assert facts["http.request.method_original"] == ("BREW" * 16)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("shop.example", ("shop.example", 8000)),
        ("shop.example:99", ("shop.example", 99)),
        ("[::1]:99", ("::1", 99)),
        ("shop.example:99999999999", ("shop.example", 0)),
        ("shop.example:\u0663", ("shop.example", 0)),
        ("a:b:c", ("a:b:c", 8000)),
        ("", ("", 8000)),
    ],
)
def test_the_host_header_is_read_whoever_wrote_it(host: str, expected: tuple[str, int]) -> None:
    assert host_and_port(host, "8000") == expected


def test_asgi_tells_the_same_as_wsgi() -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/a",
        "query_string": b"token=t",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(b"Host", b"shop.example"), (b"User-Agent", b"test")],
        "server": ("0.0.0.0", 8000),
        "client": ("10.0.0.1", 1234),
    }

    from_asgi = of_asgi(scope, asgi_headers(scope))
    from_wsgi = of_wsgi(
        environ(
            PATH_INFO="/a",
            QUERY_STRING="token=t",
            HTTP_HOST="shop.example",
            HTTP_USER_AGENT="test",
            REMOTE_ADDR="10.0.0.1",
        )
    )

    assert from_asgi == from_wsgi
    assert from_asgi.own["url.query"] == "token=REDACTED"


def test_a_scope_over_a_unix_socket_has_no_addresses() -> None:
    facts = of_asgi({"type": "http", "server": None, "client": None}, {})

    assert "client.address" not in facts.client
    assert "server.port" not in facts.client


@pytest.mark.parametrize(
    ("begun", "waited_s"),
    [
        ("t=1764004500.25", 0.5),
        ("1764004500.25", 0.5),
        ("t=1764004500250", 0.5),
        ("1764004500250000", 0.5),
        ("t=1764004501.75", None),
        ("t=1764000000", None),
        ("t=soon", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("-1", None),
        ("", None),
    ],
)
def test_how_long_a_request_waited_is_told_by_the_proxy_in_front(begun: str, waited_s: float | None) -> None:
    assert queue_time_s(begun, 1764004500.75) == waited_s


def test_the_time_in_the_queue_is_on_the_request_for_wsgi_and_asgi_alike() -> None:
    now = f"t={time.time() - 2:.3f}"

    assert (
        1_900 <= float(str(of_wsgi({"HTTP_X_REQUEST_START": now}).own["tracestitch.queue_time_ms"])) < 60_000
    )
    headers = {"x-request-start": now}
    assert 1_900 <= float(str(of_asgi({}, headers).own["tracestitch.queue_time_ms"])) < 60_000
