"""Dead letters: listed, shown, tried once more; and whoever writes meanwhile loses nothing."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.otlp import otlp_span, trace_request
from tests.support.telemetry import BASE_NS, SECOND, TRACE_ID
from tracestitch_collector.deadletter.command import deadletter
from tracestitch_collector.deadletter.replay import replay_items, replay_requests
from tracestitch_collector.decode.decoder import Request, Undecodable
from tracestitch_collector.log import Kind, LogReader
from tracestitch_collector.process.dead_letters import (
    FOLDER,
    DeadLetters,
    newest_letters,
    read_letters,
    take_out,
)
from tracestitch_collector.process.intake import SEEN_NS
from tracestitch_collector.store.store import Rejected

BODY = trace_request(otlp_span(trace_id=TRACE_ID)).SerializeToString()


def rejected(number: int, reason: str = "mapper_parsing_exception: no text here") -> Rejected:
    identity = json.dumps({"create": {"_index": "traces-generic.otel-default", "_id": f"id{number}"}})
    return Rejected(signal="traces", reason=reason, document=f'{{"number":{number}}}', identity=identity)


def undecodable() -> Undecodable:
    digest = hashlib.blake2b(BODY, digest_size=16).digest()
    return Undecodable(
        request=Request(body=BODY, digest=digest, received_ns=BASE_NS), reason="truncated varint"
    )


def run(data: Path, *arguments: str) -> int:
    return deadletter([*arguments, "--data", str(data)], {"HOME": str(data)})


def test_letters_are_listed_with_their_reason_and_shown_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    letters = DeadLetters(tmp_path / FOLDER)
    letters.put_rejected([rejected(1, "bad \x1b[31mfield")], BASE_NS)
    letters.put_request(Kind.TRACES, undecodable())
    assert run(tmp_path, "list") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("traces item  bad  [31mfield")
    assert second.endswith("traces request  truncated varint")
    assert run(tmp_path, "show", first.split()[0]) == 0
    shown = capsys.readouterr().out
    assert '{"number":1}' in shown
    assert "_id" in shown
    assert run(tmp_path, "show", "nothing") == 78
    assert "there is no dead letter 'nothing'" in capsys.readouterr().err


def test_no_letters_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "list") == 0
    assert "everything that was accepted is stored" in capsys.readouterr().out


def test_an_item_that_was_set_aside_twice_is_one_letter(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path)
    letters.put_rejected([rejected(1)], BASE_NS)
    letters.put_rejected([rejected(1), rejected(2)], BASE_NS + 1)
    assert len(read_letters(tmp_path)) == 2
    assert [letter.document for letter in newest_letters(tmp_path)] == ['{"number":2}', '{"number":1}']


def test_what_the_store_takes_leaves_the_folder_and_what_it_refuses_stays(tmp_path: Path) -> None:
    DeadLetters(tmp_path).put_rejected([rejected(number) for number in range(1200)], BASE_NS)
    given: list[str] = []

    def resend(letters: Sequence[Rejected]) -> Sequence[Rejected]:
        given.extend(letter.identity for letter in letters)
        return [letter for letter in letters if letter.document == '{"number":7}']

    refused = Counter[str]()
    assert replay_items(tmp_path, read_letters(tmp_path), resend, refused) == 1199
    assert len(given) == 1200
    assert sum(refused.values()) == 1
    assert [letter.document for letter in read_letters(tmp_path)] == ['{"number":7}']


def test_a_replay_that_is_cut_short_goes_on_where_it_was(tmp_path: Path) -> None:
    DeadLetters(tmp_path).put_rejected([rejected(number) for number in range(1200)], BASE_NS)
    calls: list[int] = []

    def resend(letters: Sequence[Rejected]) -> Sequence[Rejected]:
        calls.append(len(letters))
        if len(calls) == 2:
            raise ConnectionError
        return ()

    with pytest.raises(ConnectionError):
        replay_items(tmp_path, read_letters(tmp_path), resend, Counter())
    left = read_letters(tmp_path)
    assert len(left) == 700
    assert replay_items(tmp_path, left, lambda letters: (), Counter()) == 700
    assert read_letters(tmp_path) == []


def test_letters_that_arrive_while_others_are_taken_out_are_kept(tmp_path: Path) -> None:
    writer = DeadLetters(tmp_path)
    writer.put_rejected([rejected(number) for number in range(100)], BASE_NS)
    old = read_letters(tmp_path)

    def write() -> None:
        for number in range(100, 300):
            writer.put_rejected([rejected(number)], BASE_NS)

    thread = threading.Thread(target=write)
    thread.start()
    for letter in old:
        take_out(tmp_path, {letter.id})
    thread.join()
    assert len(read_letters(tmp_path)) == 200


def test_there_is_room_again_once_letters_were_taken_out(tmp_path: Path) -> None:
    writer = DeadLetters(tmp_path, max_bytes=3000)
    writer.put_rejected([rejected(number) for number in range(300)], BASE_NS)
    assert writer.discarded > 0
    take_out(tmp_path, {letter.id for letter in read_letters(tmp_path)})
    before = writer.discarded
    writer.put_rejected([rejected(1)], BASE_NS)
    assert writer.discarded == before
    assert len(read_letters(tmp_path)) == 1


def test_a_request_is_decoded_once_more_from_a_log_of_its_own(tmp_path: Path) -> None:
    DeadLetters(tmp_path / FOLDER).put_request(Kind.TRACES, undecodable())
    refused = Counter[str]()
    letters = read_letters(tmp_path / FOLDER)
    assert replay_requests(tmp_path, letters, BASE_NS + SECOND, refused) == 0
    assert [*refused] == ["received in the last quarter of an hour: it would be taken for a repeat"]
    assert replay_requests(tmp_path, letters, BASE_NS + SEEN_NS, Counter()) == 1
    (record,) = LogReader(tmp_path / "log" / "replayed", 0).read(1000)
    assert (record.body, record.received_ns, record.kind) == (BODY, BASE_NS, Kind.TRACES)
    assert read_letters(tmp_path / FOLDER) == []
    assert list((tmp_path / FOLDER).glob("*.traces")) == []


def test_items_of_elasticsearch_need_its_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    DeadLetters(tmp_path / FOLDER).put_rejected([rejected(1)], BASE_NS)
    assert run(tmp_path, "replay") == 78
    assert "--elasticsearch-url" in capsys.readouterr().err
