"""Bulk requests: every item of an answer is dealt with for itself, and nothing is given up that a retry would save."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.scripted_elasticsearch import Script, items, own_certificate, scripted_elasticsearch
from tracestitch_collector.errors import BadConfiguration, Unavailable
from tracestitch_collector.store.elasticsearch.bulk import ATTEMPTS, Bulk, Outcome
from tracestitch_collector.store.elasticsearch.chunks import chunks
from tracestitch_collector.store.elasticsearch.client import connect
from tracestitch_collector.store.elasticsearch.documents import Action, lines_of
from tracestitch_collector.store.elasticsearch.fallback import without_refused
from tracestitch_collector.store.elasticsearch.offsets import FILE, read_offsets, write_offsets
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings


def action(number: int, **attributes: Any) -> Action:
    document = {"number": number, "attributes": attributes}
    return Action(
        signal="traces", line=b'{"create":{"_index":"traces"}}', document=json.dumps(document).encode()
    )


def numbers(documents: list[dict[str, Any]]) -> list[int]:
    return [document["number"] for document in documents]


def send(script: Script, *actions: Action) -> tuple[Outcome, list[list[int]], list[float]]:
    """The outcome, the numbers of the documents in each request, and the pauses between."""
    pauses: list[float] = []
    with scripted_elasticsearch(script) as server:
        settings = ElasticsearchSettings(url=server.url, data=Path("unused"))
        client = connect(settings)
        try:
            outcome = Bulk(client=client, settings=settings, pause=pauses.append).send(actions)
        finally:
            client.close()
        return outcome, [numbers(documents) for documents in server.requests], pauses


def test_only_items_that_may_succeed_later_are_sent_again() -> None:
    answers = iter([items(201, 429, 409, 503, 400), items(201, 429), items(201)])
    outcome, requests, pauses = send(lambda _: next(answers), *(action(number) for number in range(5)))
    assert requests == [[0, 1, 2, 3, 4], [1, 3], [3]]
    assert outcome.duplicates == 1
    assert [(each.signal, each.reason) for each in outcome.rejected] == [
        ("traces", "some_exception: because 400")
    ]
    assert json.loads(outcome.rejected[0].document)["number"] == 4
    assert len(pauses) == 2
    assert 0 < pauses[0] < 2 * pauses[1]


def test_it_gives_up_for_now_when_the_server_stays_overloaded() -> None:
    requests = []

    def overloaded(documents: list[dict[str, Any]]) -> Any:
        requests.append(documents)
        return items(*(429 for _ in documents))

    with pytest.raises(Unavailable, match="still refuses 2 documents for now"):
        send(overloaded, action(0), action(1))
    assert len(requests) == ATTEMPTS


def test_a_request_that_is_refused_for_now_is_sent_again_whole() -> None:
    answers: Any = iter([(429, {"error": "busy"}), (503, {"error": "away"}), items(201, 201)])
    outcome, requests, _ = send(lambda _: next(answers), action(0), action(1))
    assert requests == [[0, 1]] * 3
    assert outcome.rejected == []


def test_a_request_that_is_too_large_is_halved_until_it_fits() -> None:
    def at_most_two(documents: list[dict[str, Any]]) -> Any:
        return (413, {"error": "large"}) if len(documents) > 2 else items(*(201 for _ in documents))

    outcome, requests, _ = send(at_most_two, *(action(number) for number in range(5)))
    assert requests == [[0, 1, 2, 3, 4], [0, 1], [2, 3, 4], [2], [3, 4]]
    assert outcome.rejected == []


def test_a_single_document_that_is_too_large_is_rejected_and_the_others_stay() -> None:
    def not_the_second(documents: list[dict[str, Any]]) -> Any:
        return (413, {"error": "large"}) if 1 in numbers(documents) else items(*(201 for _ in documents))

    outcome, _, _ = send(not_the_second, *(action(number) for number in range(3)))
    assert [json.loads(each.document)["number"] for each in outcome.rejected] == [1]
    assert "http.max_content_length" in outcome.rejected[0].reason


@pytest.mark.parametrize(
    ("status", "text"),
    [(401, "credentials are wrong"), (403, "do not allow this"), (404, "elasticsearch setup")],
)
def test_what_only_a_person_can_mend_is_said_and_nothing_is_dropped(status: int, text: str) -> None:
    with pytest.raises(Unavailable, match=text):
        send(lambda _: (status, {"error": {"type": "x", "reason": "no"}}), action(0))
    with pytest.raises(Unavailable, match=text):
        send(lambda _: items(201, status), action(0), action(1))


def test_a_server_that_is_away_is_unavailable_and_its_password_stays_secret() -> None:
    settings = ElasticsearchSettings(url="http://elastic:hunter22@127.0.0.1:1", data=Path("unused"))
    client = connect(settings)
    with pytest.raises(Unavailable) as caught:
        Bulk(client=client, settings=settings, pause=lambda _: None).send([action(0)])
    client.close()
    assert "http://127.0.0.1:1 cannot be reached" in str(caught.value)
    assert "hunter22" not in str(caught.value) + repr(settings) + settings.address


def send_to(settings: ElasticsearchSettings) -> Outcome:
    client = connect(settings)
    try:
        return Bulk(client=client, settings=settings, pause=lambda _: None).send([action(0)])
    finally:
        client.close()


def test_an_api_key_is_shown_to_the_server_and_to_nobody_else() -> None:
    with scripted_elasticsearch(lambda _: items(201)) as server:
        settings = ElasticsearchSettings(url=server.url, api_key="c2VjcmV0", data=Path("unused"))
        send_to(settings)
    assert server.authorizations == ["ApiKey c2VjcmV0"]
    assert "c2VjcmV0" not in repr(settings)


def test_a_password_in_the_address_is_shown_to_the_server() -> None:
    with scripted_elasticsearch(lambda _: items(201)) as server:
        url = server.url.replace("http://", "http://elastic:p%40ss@")
        send_to(ElasticsearchSettings(url=url, data=Path("unused")))
    assert server.authorizations == ["Basic ZWxhc3RpYzpwQHNz"]


def test_only_a_trusted_certificate_will_do(tmp_path: Path) -> None:
    certificate, tls = own_certificate(tmp_path)
    with scripted_elasticsearch(lambda _: items(201), tls) as server:
        with pytest.raises(Unavailable, match="--elasticsearch-ca"):
            send_to(ElasticsearchSettings(url=server.url, data=tmp_path))
        trusting = ElasticsearchSettings(url=server.url, ca_certs=str(certificate), data=tmp_path)
        assert send_to(trusting).rejected == []
    assert len(server.requests) == 1


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadConfiguration, match="not a URL"):
        ElasticsearchSettings(url="localhost:9200", data=Path("unused"))
    both = ElasticsearchSettings(url="http://a:b@localhost:9200", api_key="c", data=Path("unused"))
    with pytest.raises(BadConfiguration, match="an API key as well"):
        connect(both)
    missing = ElasticsearchSettings(
        url="https://localhost:9200", ca_certs="no/such/file", data=Path("unused")
    )
    with pytest.raises(BadConfiguration, match="no/such/file"):
        connect(missing)


def test_a_chunk_stays_within_its_limit_unless_one_document_is_larger() -> None:
    actions = [action(0, text="x" * size) for size in (10, 10, 500, 10)]
    arrays = [lines_of(actions[:1]), lines_of(actions[1:])]
    found = list(chunks(arrays, 250))
    assert [chunk.count for chunk in found] == [2, 1, 1]
    assert [action for chunk in found for action in chunk.actions()] == actions


def test_an_attribute_that_the_mapping_refuses_is_kept_beside_and_the_document_stored() -> None:
    reason = "failed to parse field [attributes.user] of type [flattened] in document with id 'x'"

    def refuses_user(documents: list[dict[str, Any]]) -> Any:
        bad = [400 if "user" in document["attributes"] else 201 for document in documents]
        status, answer = items(*bad)
        for item in answer["items"]:
            if item["create"]["status"] == 400:
                item["create"]["error"]["reason"] = reason
        return status, answer

    sent = []

    def script(documents: list[dict[str, Any]]) -> Any:
        sent.append(documents)
        return refuses_user(documents)

    outcome, requests, pauses = send(script, action(0, user="bob", path="/"), action(1, path="/"))
    assert requests == [[0, 1], [0]]
    assert outcome.rejected == []
    assert pauses == []
    assert sent[1][0]["attributes"] == {"path": "/", "tracestitch.unindexed": ["user"]}
    assert json.loads(sent[1][0]["tracestitch"]["attributes"]) == [["user", "bob"]]


def test_a_document_without_anything_left_to_take_out_is_rejected() -> None:
    document = action(0, a=1, b=2).document
    first = without_refused(document, "[resource.attributes.x] is wrong")
    assert first is not None
    assert json.loads(first)["attributes"] == {"tracestitch.unindexed": ["a", "b"]}
    assert without_refused(first, "[resource.attributes.x] is wrong") is None


def test_offsets_survive_and_a_broken_file_counts_as_none(tmp_path: Path) -> None:
    assert read_offsets(tmp_path) == {}
    write_offsets(tmp_path, {"receiver": 7})
    assert read_offsets(tmp_path) == {"receiver": 7}
    for broken in ("", "[1]", '{"receiver": "x"}', "null"):
        (tmp_path / FILE).write_text(broken)
        assert read_offsets(tmp_path) == {}
