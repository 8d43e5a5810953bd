"""Our documents beside those that Elastic's own exporter makes of the same requests, field by field. Every difference
is in one table with its reason, here and in docs/elasticsearch.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import elastic_exporter, golden
from tests.support.elasticsearch import elasticsearch_url
from tests.support.otlp import BASE_NS
from tracestitch_collector.decode.decoder import Decoder, Request
from tracestitch_collector.store.elasticsearch.documents import actions_in, log_lines, span_lines
from tracestitch_collector.store.elasticsearch.fields import ENRICHED_ATTRIBUTES, ENRICHED_RESOURCE
from tracestitch_collector.store.elasticsearch.origins import Origins
from tracestitch_collector.store.elasticsearch.routing import Router
from tracestitch_collector.store.elasticsearch.times import nanoseconds

__all__ = ["elasticsearch_url"]

DOCS = Path(__file__).parents[2] / "docs" / "elasticsearch.md"
ABSENT = "(absent)"


@dataclass(frozen=True, slots=True)
class Difference:
    path: str
    ours: Any
    theirs: Any


def _same_moment(difference: Difference) -> bool:
    return nanoseconds(difference.ours) == nanoseconds(difference.theirs) != 0


def _only_ours(difference: Difference) -> bool:
    return bool(difference.theirs == ABSENT)


def _theirs_is_empty(difference: Difference) -> bool:
    return difference.ours == ABSENT and difference.theirs in ([], {}, "0.0", 0, "Unset", "Unspecified")


def _any(_: Difference) -> bool:
    return True


DIFFERENCES = {
    r"@timestamp|observed_timestamp": ("`@timestamp`, `observed_timestamp`", _same_moment),
    r"kind|links|status\.code|observed_timestamp": ("empty values", _theirs_is_empty),
    "|".join(f"attributes.{re.escape(key)}" for key in ENRICHED_ATTRIBUTES): ("enrichment", _only_ours),
    "|".join(f"resource.attributes.{re.escape(key)}" for key in ENRICHED_RESOURCE): (
        "enrichment of the resource",
        _only_ours,
    ),
    r"attributes\.tracestitch\.\w+": ("`attributes.tracestitch.*`", _any),
    r"tracestitch\..*": ("`tracestitch`", _only_ours),
    r"name": ("`name`", _only_ours),
    r"resource\.attributes\.service\.name": ("`resource.attributes.service.name`", _only_ours),
    r"attributes\.geo\.location.*": ("`geo.location`", _any),
    r"attributes\.http\..*": ("old attribute names", _any),
}
"""Paths that may differ, in which way, and the words under which docs/elasticsearch.md gives the reason."""


def our_documents() -> dict[str, Mapping[str, Any]]:
    decoder, router, origins = Decoder(), Router(namespace="default"), Origins()

    def request(body: bytes) -> Request:
        digest = hashlib.blake2b(body, digest_size=16).digest()
        return Request(body=body, digest=digest, received_ns=BASE_NS)

    spans = decoder.spans([request(golden.traces().SerializeToString())]).table
    records = decoder.logs([request(golden.logs().SerializeToString())]).table
    arrays = [*span_lines(spans, router, origins), *log_lines(records, router, origins)]
    actions = [action for array in arrays for action in actions_in(b"".join(array.to_pylist()))]
    documents = [json.loads(action.document) for action in actions]
    return {golden.about(document): document for document in documents}


def recorded() -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = json.loads(golden.RECORDED.read_text())
    return found


def flattened(document: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """By path; an empty map is a value."""
    found: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping) and value:
            found |= flattened(value, f"{path}{key}.")
        else:
            found[path + key] = value
    return found


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    left, right = flattened(ours), flattened(theirs)
    for path in sorted(left.keys() | right.keys()):
        found = Difference(path, left.get(path, ABSENT), right.get(path, ABSENT))
        if found.ours != found.theirs or type(found.ours) is not type(found.theirs):
            yield found


def test_the_two_make_documents_of_the_same_things() -> None:
    assert our_documents().keys() == recorded().keys()


def test_only_what_the_table_says_differs_and_all_that_it_says_does() -> None:
    unexplained, used = [], set()
    theirs = recorded()
    for what, document in our_documents().items():
        for found in differences(document, theirs[what]):
            reasons = [
                words
                for pattern, (words, holds) in DIFFERENCES.items()
                if re.fullmatch(pattern, found.path) and holds(found)
            ]
            used |= set(reasons[:1])
            if not reasons:
                unexplained.append((what, found))
    assert unexplained == []
    assert used == {words for words, _ in DIFFERENCES.values()}


def test_each_difference_is_explained_in_the_docs() -> None:
    text = DOCS.read_text()
    assert [words for words, _ in DIFFERENCES.values() if f"| {words} |" not in text] == []


@pytest.mark.server
def test_the_real_exporter_still_makes_what_was_recorded(elasticsearch_url: str, tmp_path: Path) -> None:
    if not elastic_exporter.PROGRAM.exists():
        pytest.skip("Elastic's exporter is not built: python -m tests.support.elastic_exporter")
    assert golden.exported(elasticsearch_url, tmp_path) == recorded()
