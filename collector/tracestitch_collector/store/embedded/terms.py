"""Terms: what a row can be asked for exactly, as numbers of 64 bits that Bloom filters hold. A filter never hides what
is there; about one time in a hundred it says yes for nothing, which costs reading one row group.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]

ODD = np.uint64(0x9E3779B97F4A7C15)
MIX = np.uint64(0xD6E8FEB86659FD93)
HALF = np.uint64(32)
HASHED_BYTES = 256
"""Of a longer text only the beginning and the length count."""

BITS_PER_TERM = 10
PROBES = 6
BLOCK_BITS = 512
BLOCK_BYTES = BLOCK_BITS // 8


def of_text(kind: str, text: str) -> int:
    """The term of a text, for example of an attribute's value, its key being the kind."""
    return int(of_texts(kind, pa.array([text], pa.string()))[0])


def of_texts(kind: str, texts: pa.Array) -> Hashes:
    """One term for each of the texts, which must not be null."""
    return _bytes_hashed(texts, _seed(kind))


def of_many_texts(kinds: Sequence[str], texts: Sequence[pa.Array]) -> list[Hashes]:
    """As `of_texts` of each kind and its texts. Hashing takes its time per call, hardly per text."""
    lengths = [len(part) for part in texts]
    seeds = np.repeat(np.array([_seed(kind) for kind in kinds], np.uint64), lengths)
    hashed = _bytes_hashed(pa.concat_arrays(texts), seeds)
    return np.split(hashed, np.cumsum(lengths)[:-1])


def of_number(kind: str, value: float) -> int:
    """The term of a number; integers and doubles have terms of their own."""
    if isinstance(value, int):
        return int(of_numbers(kind, np.array([value], np.int64))[0])
    return int(of_numbers(kind, np.array([value], np.float64))[0])


def of_numbers(kind: str, values: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> Hashes:
    plain = values + 0.0 if values.dtype == np.float64 else values  # -0.0 equals 0.0
    return mixed(plain.view(np.uint64) ^ _seed(f"{kind}\0{values.dtype.char}"))


@lru_cache(maxsize=4096)
def _seed(kind: str) -> np.uint64:
    return np.uint64(_bytes_hashed(pa.array([kind], pa.string()), np.uint64(1))[0])


def mixed(values: Hashes) -> Hashes:
    """Other numbers for these, as unlike as can be."""
    values = (values ^ (values >> HALF)) * MIX
    values = (values ^ (values >> HALF)) * MIX
    return values ^ (values >> HALF)


def _bytes_hashed(texts: pa.Array, seed: np.uint64 | Hashes) -> Hashes:
    """Eight bytes of all texts at a time."""
    _, offsets_buffer, data = texts.buffers()
    count = len(texts)
    offsets = np.frombuffer(offsets_buffer, np.int32)[texts.offset : texts.offset + count + 1].astype(
        np.int64
    )
    first, last = (int(offsets[0]), int(offsets[-1])) if count else (0, 0)
    content = bytes(data[first:last]) if data is not None else b""
    padded = np.frombuffer(content + bytes(8), np.uint8)
    words = np.ndarray((len(padded) - 7,), "<u8", padded.data, strides=(1,))  # one at each byte
    starts, lengths = offsets[:-1] - first, np.diff(offsets)
    found = lengths.astype(np.uint64) * ODD ^ seed
    kept = np.minimum(lengths, HASHED_BYTES)
    for at in range(0, int(kept.max(initial=0)), 8):
        rows = np.flatnonzero(kept > at)
        word = words[starts[rows] + at]
        beyond = (8 - np.minimum(kept[rows] - at, 8)).astype(np.uint64) * np.uint64(8)
        found[rows] = (found[rows] ^ (word << beyond)) * ODD
        found[rows] ^= found[rows] >> HALF
    return mixed(found)


def bloom(terms: Hashes) -> npt.NDArray[np.uint8]:
    """A filter that holds the terms: blocks of 64 bytes, of which each term uses one."""
    blocks = max(1, -(-len(terms) * BITS_PER_TERM // BLOCK_BITS))
    bits = np.zeros(blocks * BLOCK_BITS, bool)
    block = _blocks(terms, np.uint64(blocks))
    for bit in _bits(terms):
        bits[block * BLOCK_BITS + bit] = True
    return np.packbits(bits)


def may_hold(
    content: npt.NDArray[np.uint8], first: Hashes, blocks: Hashes, wanted: Hashes
) -> npt.NDArray[np.bool_]:
    """Of each of the terms, in which of several filters it may be; those are given by their first block and number
    of blocks."""
    rows = wanted[:, None]
    at = (first.astype(np.int64) + _blocks(rows, blocks)) * BLOCK_BYTES
    found = np.ones(at.shape, bool)
    for bit in _bits(rows):
        found &= (content[at + (bit >> 3)] & (128 >> (bit & 7))) != 0
    return found


def _blocks(terms: Hashes, blocks: Hashes | np.uint64) -> npt.NDArray[np.int64]:
    return (((terms >> HALF) * blocks) >> HALF).astype(np.int64)


def _bits(terms: Hashes) -> Sequence[npt.NDArray[np.int64]]:
    low = terms & np.uint64(0xFFFFFFFF)
    step = (low * np.uint64(0x9E3779B1)) >> np.uint64(7) | np.uint64(1)
    return [
        ((low + np.uint64(n) * step) >> np.uint64(3) & np.uint64(BLOCK_BITS - 1)).astype(np.int64)
        for n in range(PROBES)
    ]
