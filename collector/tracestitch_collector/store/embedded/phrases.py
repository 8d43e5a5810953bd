"""Terms of log bodies, so that a rare phrase is found without reading every record: words, pieces of runs of letters,
and where two words meet. A phrase may begin and end in the middle of a word, so what is open there is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.store.embedded import terms
from tracestitch_collector.store.embedded.terms import Hashes

WORD, PIECE, JOINT = "\0word", "\0piece", "\0joint"
SEPARATORS = "[^a-z0-9]+"
PIECE_LETTERS = 5
JOINT_LETTERS = 4
"""Of either word at a joint so many letters count. A shorter one counts whole, where it is all letters."""
TELLING = "^[a-z]+$|[a-z]{4}"
"""Words that have pieces or joints."""
_WORDS = re.compile("[a-z0-9]+")
_RUNS = re.compile("[a-z]{5,}")


def of_bodies(bodies: pa.ChunkedArray) -> Hashes:
    distinct = pc.drop_null(pc.unique(bodies.combine_chunks()))
    if pa.types.is_dictionary(distinct.type):
        distinct = distinct.dictionary.take(distinct.indices)
    split = pc.split_pattern_regex(pc.utf8_lower(distinct), SEPARATORS)
    words = split.flatten().dictionary_encode()
    telling = np.flatnonzero(
        pc.match_substring_regex(words.dictionary, TELLING).to_numpy(zero_copy_only=False)
    )
    texts = dict(zip(telling.tolist(), words.dictionary.take(pa.array(telling)).to_pylist(), strict=True))
    pieces = {piece for text in texts.values() for piece in _pieces(text)}
    return np.concatenate(
        [
            terms.of_texts(WORD, words.dictionary),
            terms.of_texts(PIECE, pa.array(pieces, pa.string())),
            terms.of_texts(JOINT, pa.array(_joints_of(split, words, texts), pa.string())),
        ]
    )


def _joints_of(split: pa.Array, words: pa.DictionaryArray, texts: dict[int, str]) -> set[str]:
    codes = words.indices.to_numpy().astype(np.int64)
    size = len(words.dictionary)
    tells = np.zeros(size, bool)
    tells[list(texts)] = True
    meets = np.ones(len(codes), bool)
    meets[np.cumsum(pc.list_value_length(split).to_numpy()) - 1] = False  # the last word of each body
    at = np.flatnonzero(meets[:-1] & tells[codes[:-1]] & tells[codes[1:]])
    pairs = np.unique(codes[at] * size + codes[at + 1]).tolist()
    found = {_joint(texts[pair // size], texts[pair % size]) for pair in pairs}
    return found - {""}


def of_phrase(phrase: str) -> list[int]:
    """Terms that every row group with the phrase in a body holds; none where nothing can be said."""
    lowered: str = pc.utf8_lower(pa.scalar(phrase)).as_py()
    words = list(_WORDS.finditer(lowered))
    closed = [word.group() for word in words if word.start() > 0 and word.end() < len(lowered)]
    pieces = [piece for word in words for piece in _pieces(word.group())]
    joints = [
        _joint(one.group(), other.group(), one.start() > 0, other.end() < len(lowered))
        for one, other in pairwise(words)
    ]
    return [
        *_terms(WORD, closed),
        *_terms(PIECE, pieces),
        *_terms(JOINT, [joint for joint in joints if joint]),
    ]


def _terms(kind: str, texts: Sequence[str]) -> list[int]:
    return [terms.of_text(kind, text) for text in dict.fromkeys(texts)]


def _pieces(word: str) -> Iterator[str]:
    for run in _RUNS.findall(word):
        for at in range(len(run) - PIECE_LETTERS + 1):
            yield run[at : at + PIECE_LETTERS]


def _joint(one: str, other: str, begins: bool = True, ends: bool = True) -> str:
    """The last letters of one word and the first of the next; empty where they do not tell enough."""
    left, right = one[-JOINT_LETTERS:], other[:JOINT_LETTERS]
    if not left.isalpha() or not right.isalpha():
        return ""
    if len(left) < JOINT_LETTERS:
        left = f"^{left}" if begins else ""
    if len(right) < JOINT_LETTERS:
        right = f"{right}^" if ends else ""
    return f"{left} {right}" if left and right else ""
