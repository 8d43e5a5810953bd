"""Filters of terms may say yes for nothing, never no for what is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tests.support.telemetry import ALWAYS, BASE_NS, SECOND, batch, log, span
from tracestitch_collector.store.embedded import phrases, terms
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import AttributeFilter, LogQuery, TraceQuery

words = st.text(alphabet="abcAB7_.\u00e9\u212a -", max_size=30) | st.text(max_size=12)


def holds(bloom: np.ndarray, term: int) -> bool:
    blocks = np.array([len(bloom) // terms.BLOCK_BYTES], np.uint64)
    return bool(terms.may_hold(bloom, np.zeros(1, np.uint64), blocks, np.array([term], np.uint64))[0, 0])


@given(st.lists(st.text(max_size=300), max_size=50))
def test_a_filter_holds_every_term_that_was_put_into_it(texts: list[str]) -> None:
    bloom = terms.bloom(terms.of_texts("key", pa.array(texts, pa.string())))
    assert all(holds(bloom, terms.of_text("key", text)) for text in texts)


def test_a_filter_seldom_says_yes_for_nothing() -> None:
    there = terms.of_texts("key", pa.array([f"value {n}" for n in range(5000)]))
    bloom = terms.bloom(there)
    wrong = sum(holds(bloom, terms.of_text("key", f"other {n}")) for n in range(2000))
    assert wrong < 100


def test_texts_that_differ_only_late_or_in_length_have_terms_of_their_own() -> None:
    texts = ["", "\0", "\0" * 8, "a" * 8, "a" * 9, "a" * 16, "a" * 15 + "b", "b" + "a" * 15]
    assert len({terms.of_text("key", text) for text in texts}) == len(texts)
    assert terms.of_text("a", "b") != terms.of_text("b", "a")


@given(st.lists(words, min_size=1, max_size=8), st.data())
def test_what_a_phrase_needs_is_in_the_filter_of_any_body_with_it(
    bodies: list[str], data: st.DataObject
) -> None:
    body = data.draw(st.sampled_from(bodies))
    start = data.draw(st.integers(0, len(body)))
    phrase = body[start : data.draw(st.integers(start, len(body)))]
    column = pa.chunked_array([pa.array(bodies, pa.string())])
    bloom = terms.bloom(phrases.of_bodies(column))
    for asked in (phrase, phrase.upper() if phrase.isascii() else phrase):
        assert all(holds(bloom, term) for term in phrases.of_phrase(asked))


def test_a_phrase_is_missed_where_its_words_never_meet() -> None:
    bloom = terms.bloom(phrases.of_bodies(pa.chunked_array([["the order has come", "the card expired"]])))
    assert all(holds(bloom, term) for term in phrases.of_phrase("card expired"))
    assert not all(holds(bloom, term) for term in phrases.of_phrase("order expired"))


def test_a_rare_value_is_found_among_many_segments_wherever_it_stands(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path, write=True, clock=lambda: BASE_NS + 60 * SECOND)
    odd: dict[int, object] = {7: "rare", 8: 4711, 9: 47.25, 10: True, 11: ("rare",)}
    for number in range(1, 20):
        trace_id = f"{number:032x}"
        item = span(trace_id=trace_id, start_ns=BASE_NS + number, attributes={"k": odd.get(number, "often")})
        store.write(
            batch([item], [log(body=f"line {number}")], request=str(number), start=number, end=number + 1)
        )
        store.sync()

    def found(operator: str, value: str = "") -> list[int]:
        asked = AttributeFilter(key="k", operator=operator, value=value)  # type: ignore[arg-type]  # one of them
        page = store.search(TraceQuery(window=ALWAYS, attributes=(asked,)))
        return [int(trace.trace_id, 16) for trace in page.traces]

    assert found("=", "rare") == [7]
    assert found("=", "4711") == found("=", "4711.0") == found(">", "4000") == [8]
    assert found("=", "47.25") == [9]
    assert found("=", "true") == [10]
    assert len(found("exists")) == 19
    assert found("=", "none") == []
    assert [
        str(record.body) for record in store.search_logs(LogQuery(window=ALWAYS, text="INE 17")).records
    ] == ["line 17"]
    store.close()


def test_facts_that_are_damaged_or_of_another_format_hide_nothing(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path, write=True, clock=lambda: BASE_NS + 60 * SECOND)
    store.write(batch([span(attributes={"k": "v"})]))
    store.sync()
    store.close()
    (path,) = tmp_path.glob("segments/*.spans.facts")
    whole = path.read_bytes()
    asked = TraceQuery(window=ALWAYS, attributes=(AttributeFilter(key="k", operator="=", value="v"),))
    for content in (whole, whole[:-1], b"", whole[:40] + bytes(40) + whole[80:], None):
        path.unlink() if content is None else path.write_bytes(content)
        reader = EmbeddedStore(tmp_path, write=False)
        assert len(reader.search(asked).traces) == 1
        reader.close()
