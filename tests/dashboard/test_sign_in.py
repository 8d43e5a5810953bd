"""A server with a token lets people in by a form, programs by a header, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support import example_shop
from tracestitch_collector.settings import Settings
from tracestitch_dashboard.app import create_app
from tracestitch_dashboard.sign_in import local_path

TOKEN = "correct-horse-battery"


@pytest.fixture
def locked(tmp_path: Path) -> TestClient:
    app = create_app(example_shop.store(), Settings(data=tmp_path, token=TOKEN), lambda: example_shop.NOW_NS)
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


def test_people_are_led_to_the_form_and_back_to_where_they_wanted(locked: TestClient) -> None:
    first = locked.get("/findings?range=24h", headers={"accept": "text/html"})
    assert first.status_code == 303
    assert first.headers["location"] == "/sign-in?next=%2Ffindings%3Frange%3D24h"
    form = locked.get(first.headers["location"])
    assert 'value="/findings?range=24h"' in form.text
    wrong = locked.post("/sign-in", data={"token": "guess", "next": "/findings"})
    assert wrong.status_code == 401
    assert "That is not the token" in wrong.text
    right = locked.post("/sign-in", data={"token": f" {TOKEN} ", "next": "/findings?range=24h"})
    assert (right.status_code, right.headers["location"]) == (303, "/findings?range=24h")
    assert TOKEN not in right.headers["set-cookie"]
    assert "HttpOnly" in right.headers["set-cookie"]
    assert locked.get("/findings", headers={"accept": "text/html"}).status_code == 200


def test_programs_show_the_token_or_are_told_401(locked: TestClient) -> None:
    for path in ("/index.json", "/api/services", f"/traces/{example_shop.TRACE_ID}/rows.json", "/arrival"):
        assert locked.get(path).status_code == 401
        assert locked.get(path, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_the_form_and_its_style_need_no_token_and_nothing_else_does_without(locked: TestClient) -> None:
    assert locked.get("/sign-in").status_code == 200
    assert locked.get("/static/css/page.css").status_code == 200
    assert locked.get("/healthz").status_code == 200
    assert locked.post("/search").status_code == 401


@pytest.mark.parametrize(
    "text", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/\tx"]
)
def test_nobody_is_led_away_after_signing_in(text: str) -> None:
    assert local_path(text) == "/"
    assert local_path("/traces?q=a") == "/traces?q=a"


def test_a_foreign_host_is_refused(locked: TestClient) -> None:
    for path in ("/", "/index.json", "/api/services", "/static/css/page.css", "/sign-in"):
        assert locked.get(path, headers={"host": "evil.example"}).status_code == 421
    assert locked.get("/healthz", headers={"host": "evil.example"}).status_code == 200
