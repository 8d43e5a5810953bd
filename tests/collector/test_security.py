"""Who is let in: host names, tokens, and the headers on every answer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tracestitch_collector.security import (
    CONTENT_SECURITY_POLICY,
    SESSION_COOKIE,
    SecurityMiddleware,
    allowed_names,
    host_name,
    is_allowed_host,
    is_bearer,
    is_session,
    session_value,
)
from tracestitch_collector.settings import Settings

TOKEN = "correct-horse-battery"
OWN = [
    "localhost",
    "LOCALHOST:4318",
    "localhost.",
    "127.0.0.1",
    "127.0.0.1:4318",
    "127.8.9.10",
    "[::1]:4318",
    "[::1]",
    "10.0.0.7:80",
    "traces.example.org",
    "Traces.Example.ORG.:4380",
    "collector:4318",
]
FOREIGN = [
    "",
    "evil.example",
    "evil.example:4318",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example@localhost",
    "localhost:4318@evil.example",
    "localhost:port",
    "localhost/evil",
    "localhost evil.example",
    "localhost\tx",
    "[::1",
    "[::2]",
    "10.0.0.8",
    "0.0.0.0",
    "2130706433",
    "xn--lcalhost-54a",
    "localhоst",  # with a Cyrillic о
]


def settings(**given: Any) -> Settings:
    return Settings(
        data=Path("/nowhere"),
        host="10.0.0.7",
        allowed_hosts=("collector",),
        public_url="https://traces.example.org",
        **given,
    )


@pytest.mark.parametrize("host", OWN)
def test_a_host_of_ours_is_let_in(host: str) -> None:
    assert is_allowed_host(host, allowed_names(settings()))


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_is_not(host: str) -> None:
    assert not is_allowed_host(host, allowed_names(settings()))


def test_host_names_lose_port_case_and_final_dot() -> None:
    assert host_name("Example.ORG.:80") == "example.org"
    assert host_name("[FE80::1]:80") == "fe80::1"
    assert host_name(":80") is None
    assert host_name(".") is None


def test_a_bearer_token_must_be_the_whole_token() -> None:
    assert is_bearer(TOKEN, f"Bearer {TOKEN}")
    assert is_bearer(TOKEN, f"bearer  {TOKEN} ")
    for header in (
        "",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        "Bearer \xff",
        "Bearer",
    ):
        assert not is_bearer(TOKEN, header)


def test_a_session_proves_the_token_and_does_not_hold_it() -> None:
    value = session_value(TOKEN)
    assert TOKEN not in value
    assert is_session(TOKEN, f"a=b; {SESSION_COOKIE}={value}; c=d")
    for header in (
        "",
        f"{SESSION_COOKIE}=",
        f"{SESSION_COOKIE}={value[:-1]}",
        f"{SESSION_COOKIE}={TOKEN}",
        ";;=;\x00",
    ):
        assert not is_session(TOKEN, header)
    assert not is_session("another-token-altogether", f"{SESSION_COOKIE}={value}")


def ask(
    middleware: SecurityMiddleware, path: str = "/", *headers: tuple[str, str]
) -> tuple[int, dict[str, str]]:
    """Status and headers of one GET through the middleware."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    asyncio.run(middleware(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


async def fine(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"referrer-policy", b"origin")]})
    await send({"type": "http.response.body", "body": b""})


LOCAL = ("host", "localhost:4380")


def test_every_answer_carries_the_headers_and_an_apps_own_win() -> None:
    for middleware, status in (
        (SecurityMiddleware(fine, settings()), 200),
        (SecurityMiddleware(fine, settings(token=TOKEN)), 401),
    ):
        answer, headers = ask(middleware, "/", LOCAL)
        assert answer == status
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"
    assert ask(SecurityMiddleware(fine, settings()), "/", LOCAL)[1]["referrer-policy"] == "origin"


@pytest.mark.parametrize(
    "hosts", [[], [("host", "evil.example")], [LOCAL, ("host", "evil.example")], [LOCAL, LOCAL]]
)
def test_a_request_needs_exactly_one_host_and_it_must_be_ours(hosts: list[tuple[str, str]]) -> None:
    middleware = SecurityMiddleware(fine, settings())
    assert ask(middleware, "/", *hosts)[0] == 421
    assert ask(middleware, "/healthz", *hosts)[0] == 200


def test_with_a_token_only_those_who_show_it_are_let_in() -> None:
    middleware = SecurityMiddleware(fine, settings(token=TOKEN), public=("/login", "/static/"))
    assert ask(middleware, "/", LOCAL)[0] == 401
    assert ask(middleware, "/", LOCAL)[1]["www-authenticate"] == "Bearer"
    assert ask(middleware, "/", LOCAL, ("authorization", f"Bearer {TOKEN}"))[0] == 200
    assert ask(middleware, "/", LOCAL, ("cookie", f"{SESSION_COOKIE}={session_value(TOKEN)}"))[0] == 200
    assert ask(middleware, "/", LOCAL, ("authorization", "Bearer wrong"))[0] == 401
    assert [ask(middleware, path, LOCAL)[0] for path in ("/healthz", "/login", "/static/x.css")] == [200] * 3
    assert [ask(middleware, path, LOCAL)[0] for path in ("/login/x", "/static", "/metrics")] == [401] * 3
    assert ask(middleware, "/login", ("host", "evil.example"))[0] == 421


def test_whoever_is_not_let_in_can_be_sent_to_a_form() -> None:
    async def form(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 303, "headers": [(b"location", b"/login")]})
        await send({"type": "http.response.body", "body": b""})

    status, headers = ask(SecurityMiddleware(fine, settings(token=TOKEN), unauthorised=form), "/", LOCAL)
    assert (status, headers["location"]) == (303, "/login")
    assert "content-security-policy" in headers
