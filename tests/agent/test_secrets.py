"""The corpus of secrets in every field that leaves the process, and the texts that must leave unharmed."""

import logging
import statistics
import time
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import pytest
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from tests.support.secrets import HARMLESS, SECRETS, Secret
from tracestitch import frames, inventory, inventory_process, local_values, logs
from tracestitch.attributes import Shared, limits_of
from tracestitch.encode import Encoder, LogEntry
from tracestitch.exceptions import record_exception
from tracestitch.exporter import Exporter
from tracestitch.incoming import of_wsgi
from tracestitch.log_lines import Line
from tracestitch.profiler import Recording
from tracestitch.profiler import written as profile_written
from tracestitch.provider import Provider
from tracestitch.resource import ProcessResource
from tracestitch.scrub import scrub_text, scrub_url
from tracestitch.settings import from_environment
from tracestitch.spans import Span
from tracestitch.sql import template

ENCODER = Encoder(lambda _file, _line: ())
SETTINGS = from_environment({"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}, "/srv/shop")
PROVIDER = Provider(Exporter(SETTINGS, dict), limits_of({}), None)


def _span(name: str = "checkout") -> Span:
    span = PROVIDER.get_tracer("shop").start_span(name)
    assert isinstance(span, Span)
    return span


def _named_span(text: str) -> bytes:
    return ENCODER.span(_span(text))


def _attributes(text: str) -> bytes:
    span = _span()
    span.set_attribute("app.note", text)
    span.set_attribute("app.notes", [text, "fine"])
    if text.isidentifier():
        span.set_attribute("http.route", f"/hook/{text}/")
    span.share(Shared({"app.shared": text}))
    span.set_attribute(text, 1)
    return ENCODER.span(span)


def _nested(text: str) -> bytes:
    note = {"deep": [{"deeper": [[text]], text: 1}], "raw": text.encode()}
    return ENCODER.log(LogEntry(1, 9, "INFO", "shop", {"note": note}, {"app.note": note}))


def _events_and_links(text: str) -> bytes:
    span = _span()
    span.add_event(text, {"app.note": text, "app.notes": [text]})
    state = TraceState([("shop", text)] if text.isidentifier() else [])
    context = SpanContext(1, 2, True, TraceFlags(1), state)
    span.add_link(context, {"app.note": text})
    span.set_status(Status(StatusCode.ERROR, text))
    return ENCODER.span(span)


def _failing(text: str) -> Exception:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def _exceptions(text: str) -> bytes:
    ours, users = _span(), _span()
    record_exception(ours, _failing(text), handled=False)
    users.record_exception(_failing(text))
    return ENCODER.span(ours) + ENCODER.span(users)


def _log(text: str) -> bytes:
    captured: list[LogEntry] = []
    for message, arguments in (
        (text, ()),
        ("got %s", (text,)),
        ("got %(it)s", ({"it": text},)),
    ):
        record = logging.LogRecord("shop", 20, "/srv/shop/views.py", 3, message, arguments, None)
        captured.append(logs._written_out(record, logs._LINES.location(record), 1))
    failed = logging.LogRecord(
        "shop", 40, "/srv/shop/views.py", 3, "no", (), (ValueError, _failing(text), None)
    )
    captured.append(logs._written_out(failed, logs._LINES.location(failed), 1))
    line = Line(_place(), 20, "INFO", "shop", "t")
    plain = [
        line.encoded(ENCODER, 1, template, arguments, 0, 0, 0)
        for template, arguments in (("got %s", (text[:256],)), (text, ()), (text, (text[:256],)))
    ]
    return b"".join([*map(ENCODER.log, captured), *plain]) + ENCODER.scope(text, text)


def _place() -> Any:
    return frames.file_location("/srv/shop/views.py", 3, "checkout")


def _resource(text: str) -> bytes:
    settings = from_environment({"OTEL_SERVICE_NAME": text}, "/srv/shop")
    return ENCODER.resource({**ProcessResource(settings)(), "app.note": text})


def _inventory(text: str) -> bytes:
    body = inventory.collect(None, key=b"k", argv=["python", "serve.py", text, f"--note={text}"], path=[])
    return ENCODER.log(LogEntry(1, 9, "INFO", "tracestitch", body, {}, event_name=inventory.EVENT))


def _request(text: str) -> bytes:
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/x",
        "QUERY_STRING": f"q={text}",
        "HTTP_USER_AGENT": text,
    }
    facts = of_wsgi(environ)
    span = PROVIDER.get_tracer("shop").start_span("GET", kind=SpanKind.SERVER, attributes=facts.own)
    span.set_attributes(facts.client)
    span.set_attribute("url.full", scrub_url(f"https://ann:pw@x.example/?q={text}"))
    assert isinstance(span, Span)
    return ENCODER.span(span)


def _locals(text: str) -> bytes:
    def fail(note: object) -> None:
        kept = [note, {"note": note}]
        raise ValueError(len(kept))

    local_values.SWITCH.on = True
    span = _span()
    record = logging.LogRecord("shop", 40, "/srv/shop/views.py", 3, "no", (), None)
    try:
        fail(text)
    except ValueError as error:
        record_exception(span, error, handled=False)
        record.exc_info = (ValueError, error, error.__traceback__)
        entry = logs._written_out(record, logs._LINES.location(record), 1)
    finally:
        local_values.SWITCH.on = False
    assert "fail" in span.events[0].attributes["tracestitch.exception.locals"]
    return ENCODER.span(span) + ENCODER.log(entry)


def _odd_code(text: str) -> Any:
    """A function whose name and file are this text, as compiled templates may have them."""
    code = compile("def f():\n    raise ValueError\n", f"<{text}>", "exec")
    function = next(part for part in code.co_consts if hasattr(part, "co_name"))
    return FunctionType(function.replace(co_name=text, co_qualname=text), {"__name__": "shop"})


def _frames(text: str) -> bytes:
    span = _span()
    try:
        _odd_code(text)()
    except ValueError as error:
        record_exception(span, error, handled=False)
    return ENCODER.span(span)


def _profile(text: str) -> bytes:
    span = _span()
    recording = Recording(span, 0.0)
    recording.stacks[((_odd_code(text).__code__, 2),)] = 3
    span.set_attribute("tracestitch.profile", profile_written(recording, 0.02))
    return ENCODER.span(span)


def _replica_and_settings(text: str) -> bytes:
    told = {
        "settings": inventory.hashed({"NOTE": text}, b"k"),
        "replica": inventory_process.replica({"POD_NAME": text, "HOSTNAME": text}),
    }
    return ENCODER.log(LogEntry(1, 9, "INFO", "tracestitch", told, {}, event_name=inventory.EVENT))


def _path(text: str) -> bytes:
    facts = of_wsgi({"REQUEST_METHOD": "GET", "PATH_INFO": f"/x/{text}"})
    span = PROVIDER.get_tracer("shop").start_span("GET", kind=SpanKind.SERVER, attributes=facts.own)
    assert isinstance(span, Span)
    return ENCODER.span(span)


def _statement(text: str) -> bytes:
    span = _span()
    literal = text.replace("'", "''")
    span.set_attribute("db.query.text", template(f"SELECT * FROM note WHERE body = '{literal}'"))
    return ENCODER.span(span)


FIELDS: tuple[Callable[[str], bytes], ...] = (
    _named_span,
    _attributes,
    _nested,
    _events_and_links,
    _exceptions,
    _log,
    _resource,
    _inventory,
    _request,
    _statement,
    _locals,
    _frames,
    _profile,
    _replica_and_settings,
    _path,
)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.__name__.strip("_"))
def test_no_secret_of_the_corpus_leaves_by_this_field(field: Callable[[str], bytes]) -> None:
    assert len(SECRETS) >= 200

    leaks = [secret.kind for secret in SECRETS if any(_forms(secret, field(secret.text)))]

    assert leaks == []


def _forms(secret: Secret, sent: bytes) -> Iterator[bool]:
    for hidden in secret.hidden:
        yield hidden.encode() in sent
        yield repr(hidden)[1:-1].encode() in sent


@pytest.mark.parametrize("around", ["{}", "billing said {} to us", "first\n{}\nlast", "\t{} "])
def test_a_secret_is_known_wherever_it_stands(around: str) -> None:
    leaks = [
        secret.kind
        for secret in SECRETS
        if any(hidden in scrub_text(around.format(secret.text)) for hidden in secret.hidden)
    ]

    assert leaks == []


def test_what_only_looks_a_little_like_a_secret_leaves_unharmed() -> None:
    assert len(set(HARMLESS)) >= 150

    assert [text for text in HARMLESS if scrub_text(text) != text] == []


def test_a_scrubbed_text_is_left_alone() -> None:
    once = {secret.text: scrub_text(secret.text) for secret in SECRETS}

    assert {text: scrub_text(clean) for text, clean in once.items()} == once


@pytest.mark.parametrize(
    ("key", "value", "sent"),
    [
        ("app.pin", 4821, b"REDACTED"),
        ("app.pan", 4000_0000_0000_0002, b"REDACTED"),
        ("gen_ai.usage.input_tokens", 345, b"\x18\xd9\x02"),
        ("app.order", 4000_0000_0000_0003, b"\x18"),
    ],
)
def test_numbers_are_secrets_by_their_name_or_as_those_of_a_card(key: str, value: int, sent: bytes) -> None:
    span = _span()
    span.set_attribute(key, value)

    assert sent in ENCODER.span(span)
    assert (b"REDACTED" in ENCODER.span(span)) is (sent == b"REDACTED")


def test_a_secret_cut_in_two_by_the_longest_text_does_not_leave_by_half() -> None:
    token = SECRETS[0].text
    for start in range(16_384 - len(token) - 2, 16_384):
        assert token[:12] not in scrub_text("a " * (start // 2) + token)


def test_a_clean_text_costs_next_to_nothing() -> None:
    """Measured: 0.1 µs where a text repeats, as most do, and 3 µs where it is new. The bounds leave room for a busy
    machine; what they would notice is a pattern of all names tried at every letter, which took 20 µs and more."""
    from tracestitch.scrub import _scrub

    def median_us(clean: Callable[[str], str]) -> float:
        return statistics.median(_lowest_us(clean, text) for text in HARMLESS if len(text) <= 200)

    assert median_us(scrub_text) < 1.0
    assert median_us(_scrub) < 12.0


def _lowest_us(clean: Callable[[str], str], text: str) -> float:
    best = float("inf")
    for _ in range(5):
        start = time.process_time_ns()
        for _ in range(100):
            clean(text)
        best = min(best, (time.process_time_ns() - start) / 100_000)
    return best
