"""What a Django app does besides its views is told in numbers: transactions, middleware, signals, forms, serializers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.agent import (
    APPS,
    TRACESTITCH,
    App,
    FakeReceiver,
    SentSpan,
    environment,
    fake_receiver,
    free_port,
    line_of,
    running,
)
from tests.support.upstream import upstream
from tracestitch.django_cache import key_pattern

pytestmark = pytest.mark.processes
OFFICE = APPS / "django_office"
SERVE = OFFICE / "serve.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    app: App
    receiver: FakeReceiver

    def request(self, path: str) -> SentSpan:
        before = {span.span_id for span in self.receiver.server_spans("office")}
        status, _ = self.app.get(path)
        assert status == 200

        def new() -> list[SentSpan]:
            return [s for s in self.receiver.server_spans("office") if s.span_id not in before]

        self.receiver.wait_for(lambda _: bool(new()))
        (span,) = new()
        return span

    def child(self, parent: SentSpan, name: str) -> SentSpan:
        self.receiver.wait_for(lambda got: any(s.name == name for s in got.children(parent)))
        return next(span for span in self.receiver.children(parent) if span.name == name)

    def stages(self, path: str) -> dict[str, tuple[str, float, int]]:
        """By the last part of their names."""
        told = [stage.split(" ", 3) for stage in self.request(path).attributes.get("tracestitch.stages", [])]
        return {name.rpartition(".")[2]: (kind, float(ms), int(times)) for kind, ms, times, name in told}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder: Path = tmp_path_factory.mktemp("office")
    port = free_port()
    with fake_receiver() as receiver, upstream() as court:
        environ = environment(receiver.url, OFFICE_DATABASE=str(folder / "office.db"), COURT_URL=court.url)
        command = (*TRACESTITCH, "run", "--service", "office", "python", "serve.py", str(port))
        with running(command, environ=environ, output=folder / "log", port=port, folder=OFFICE) as app:
            yield Office(app=app, receiver=receiver)
            assert "tracestitch:" not in app.said()  # nothing of ours failed


def test_a_commit_tells_the_whole_transaction_at_the_line_of_its_atomic(office: Office) -> None:
    commit = office.child(office.request("/file/"), "COMMIT")
    told = commit.attributes
    assert told["code.line.number"] == line_of(SERVE, "# the filing")
    assert (told["db.system.name"], told["db.operation.name"]) == ("sqlite", "COMMIT")
    assert (told["tracestitch.transaction.statements"], told["tracestitch.transaction.writes"]) == (2, 2)
    assert told["tracestitch.transaction.savepoints"] == 1
    assert told["tracestitch.transaction.calls"] == 1
    assert told["tracestitch.transaction.on_commit"] == 1
    # It was open while the signal's receiver slept.
    assert told["tracestitch.transaction.open_ms"] >= 4


def test_a_call_inside_a_transaction_tells_how_many_writes_wait_for_it(office: Office) -> None:
    request = office.request("/file/")
    office.receiver.wait_for(lambda got: sum(s.name == "GET" for s in got.children(request)) == 2)
    inside, after = (span for span in office.receiver.children(request) if span.name == "GET")
    assert inside.attributes["tracestitch.db.in_transaction"] is True
    assert inside.attributes["tracestitch.transaction.writes"] == 2
    assert "tracestitch.db.in_transaction" not in after.attributes
    assert "tracestitch.transaction.writes" not in after.attributes


def test_a_decorated_function_is_where_its_transaction_begins(office: Office) -> None:
    commit = office.child(office.request("/close/"), "COMMIT")
    assert commit.attributes["code.line.number"] == line_of(SERVE, "def close_case(")
    assert commit.attributes["code.function.name"] == "__main__.close_case"


def test_what_is_rolled_back_is_told_too(office: Office) -> None:
    request = office.request("/drop/")
    rollback = office.child(request, "ROLLBACK")
    assert rollback.attributes["code.line.number"] == line_of(SERVE, "# the dropping")
    assert rollback.attributes["tracestitch.transaction.writes"] == 1
    assert not rollback.is_error


def test_middleware_is_told_with_its_own_time_and_without_what_is_inside_it(office: Office) -> None:
    stages = office.stages("/calm/")
    (gate_kind, gate_ms, gate_times), (porter_kind, porter_ms, _) = stages["slow_gate"], stages["Porter"]
    assert (gate_kind, porter_kind, gate_times) == ("middleware", "middleware", 1)
    assert gate_ms >= 5
    assert porter_ms >= 3
    assert list(stages)[:2] == ["slow_gate", "Porter"] or gate_ms <= porter_ms  # longest first


def test_a_slow_signal_is_told_by_its_receiver(office: Office) -> None:
    kind, ms, times = office.stages("/file/")["note_letter"]
    assert (kind, times) == ("signal", 1)
    assert ms >= 4


def test_forms_and_serializers_are_told_by_their_classes(office: Office) -> None:
    form = office.stages("/form/")["CaseForm"]
    serializer = office.stages("/api/cases/")["CaseSerializer"]
    assert (form[0], form[2], form[1] >= 2) == ("form", 1, True)
    assert (serializer[0], serializer[2]) == ("serializer", 1)


def test_hits_and_misses_of_a_cache_are_counted_once_each(office: Office) -> None:
    request = office.request("/lookup/")
    # get 1 + get_many 1 were there; get 1 + get_many 2 + get_or_set 1 were not.
    hits, misses = (
        request.attributes["tracestitch.cache.hits"],
        request.attributes["tracestitch.cache.misses"],
    )
    assert (hits, misses) == (2, 4)
    assert office.receiver.children(request) == []
    assert "secret-name" not in str(request)


def test_a_call_of_memcached_is_a_span_at_its_line_without_its_key(office: Office) -> None:
    request = office.request("/far/")
    get = office.child(request, "cache get")
    assert get.attributes["code.line.number"] == line_of(SERVE, "# the far look")
    assert get.attributes["db.system.name"] == "memcached"
    assert get.attributes["db.query.summary"] == "get client:*:*"
    assert request.attributes["tracestitch.cache.hits"] == 1
    assert "secret-name" not in str(office.receiver.spans)


@pytest.mark.parametrize(
    ("key", "pattern"),
    [
        ("client:17:name", "client:*:*"),
        ("sitemap", "sitemap"),
        ("ada@example.org:cart", "*:*"),
        ("django.contrib.sessions.cache8jk2", "*"),
        (b"raw", ""),
    ],
)
def test_the_pattern_of_a_key_tells_nothing_of_whom(key: object, pattern: str) -> None:
    assert key_pattern(key) == pattern


def test_a_template_is_told_by_its_name(office: Office) -> None:
    kind, ms, times = office.stages("/cases/")["html"]  # the last part of cases.html
    assert (kind, times) == ("template", 1)
    assert ms > 0.1
