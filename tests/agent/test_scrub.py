"""What must not leave the process, and what must stay readable."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestitch.scrub import is_secret_key, scrub_attributes, scrub_query, scrub_text, scrub_url

SECRETS = [
    ("password=hunter2", "hunter2"),
    ("login with password: hunter2 failed", "hunter2"),
    ("passwd='a b c'", "a b c"),
    ('{"token": "s3cr3t", "name": "ok"}', "s3cr3t"),
    ("{'api_key': 'k-123'}", "k-123"),
    ("client_secret => abc", "abc"),
    ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI", "wJalrXUtnFEMI"),
    ("Authorization: Bearer abc.def", "abc.def"),
    ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("proxy-authorization=Digest qop", "qop"),
    ("Cookie: sessionid=abcdef; csrftoken=ghi", "abcdef"),
    ("set-cookie: a=b; Path=/", "a=b"),
    ("sent Bearer 0123456789abcdef to it", "0123456789abcdef"),
    ("Token 9944b09199c62bcf9418ad846dd0e4bb", "9944b09199c62bcf9418ad846dd0e4bb"),
    ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", "eyJhbGci"),
    ("key AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abc"),
    ("xoxb-123456789012-abcdefghij", "xoxb-1234"),
    ("sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc", "4eC39"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
    ("card 4111 1111 1111 1111", "4111 1111"),
    ("card 5500005555555559 declined", "5500005555555559"),
    ("amex 3782-822463-10005", "3782-822463"),
    ("postgres://shop:hunter2@db:5432/shop", "hunter2"),
    ("redis://:hunter2@cache:6379/0", "hunter2"),
    ("GET /login?user=ann&next=%2F HTTP/1.1", "ann"),
    ("https://x.example/a?sig=abc#frag", "abc"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_a_secret_is_replaced_wherever_it_stands(text: str, secret: str) -> None:
    for around in (text, f"before {text} after", f"{text}\nnext line"):
        scrubbed = scrub_text(around)
        assert secret not in scrubbed
        assert "REDACTED" in scrubbed


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_scrubbing_twice_changes_nothing_more(text: str, secret: str) -> None:
    assert scrub_text(scrub_text(text)) == scrub_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "added 17 items to cart 42 of user 9",
        "password=%s",
        "token: {token}",
        'UPDATE "auth_user" SET "password" = %s WHERE "id" = ?',
        "basic authentication is used",
        "the token expired",
        "order 4111111111111112",  # fails Luhn's check
        "at 1700000000000000000 ns",
        "GET /items/12/ HTTP/1.1",
        "what? nothing",
        "0af7651916cd43dd8448eb211c80319c",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrub_text(text) == text


def test_a_url_keeps_its_names_and_loses_its_values() -> None:
    assert scrub_url("https://ann:pw@x.example:8443/a/b?q=1&token=t&flag#frag") == (
        "https://REDACTED@x.example:8443/a/b?q=REDACTED&token=REDACTED&REDACTED"
    )
    assert scrub_url("http://x.example/a") == "http://x.example/a"
    assert scrub_query("a=&b=2") == "a=&b=REDACTED"


@pytest.mark.parametrize(
    "name", ["password", "DB_PASSWORD", "x-api-key", "Set-Cookie", "sessionid", "user.auth", "otp"]
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret_key(name)


@pytest.mark.parametrize(
    "name", ["http.route", "author", "option", "key_count", "user_agent.original", "db.namespace"]
)
def test_other_names_are_not(name: str) -> None:
    assert not is_secret_key(name)


def test_attributes_are_scrubbed_by_name_and_by_value() -> None:
    assert scrub_attributes(
        {
            "app.password": "x",
            "app.note": "password=x",
            "app.list": ["token=abc", "fine"],
            "app.count": 3,
            "tracestitch.response.body_shape": "password:list,token:str",
        }
    ) == {
        "app.password": "REDACTED",
        "app.note": "password=REDACTED",
        "app.list": ["token=REDACTED", "fine"],
        "app.count": 3,
        "tracestitch.response.body_shape": "password:list,token:str",
    }


@given(st.text())
def test_any_text_can_be_scrubbed(text: str) -> None:
    assert isinstance(scrub_text(text), str)


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "password",
        "1 ",
        "4-",
        "?a=",
        "eyJ",
        "://a",
        "Bearer ",
        "token=",
        "cookie:",
        'pwd="',
        "-----BEGIN ",
    ],
)
def test_hostile_text_takes_no_longer_than_its_length(unit: str) -> None:
    text = unit * (16_000 // len(unit))

    start = time.process_time()
    scrub_text(text)

    # Measured 1 to 9 ms; a quadratic pattern takes seconds.
    assert time.process_time() - start < 0.5


def test_a_text_too_long_to_read_is_cut() -> None:
    assert len(scrub_text("a" * 1_000_000)) < 17_000


def test_the_pin_of_werkzeugs_debugger_does_not_leave() -> None:
    assert scrub_text(" * Debugger PIN: 868-747-340") == " * Debugger PIN: REDACTED"
