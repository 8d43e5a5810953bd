"""Columns of JSON text: a piece is made once for each distinct value, spread over the rows and joined by Arrow, so
that no row costs an object of Python's. Null pieces vanish when they are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.store.elasticsearch.times import SECOND, second_text

Piece: TypeAlias = pa.Array | bytes
"""A column of bytes, or the same bytes in every row."""
Codes: TypeAlias = npt.NDArray[np.int32]

_EMPTY = pa.scalar(b"", pa.binary())
_DIGITS = 9
"""Of nanoseconds within a second."""


def flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """In one chunk."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def coded(column: pa.ChunkedArray | pa.Array) -> tuple[Codes, list[Any]]:
    """Which of the distinct values stands in each row, -1 for null, and these values. Values of a dictionary
    that stand in no row are not given out."""
    array = flat(column)
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode() if array.dictionary.null_count else array
    encoded = array if isinstance(array, pa.DictionaryArray) else array.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes, encoded.dictionary.to_pylist()


def spread(pieces: Sequence[bytes], codes: npt.NDArray[np.integer[Any]]) -> pa.Array:
    """The piece of each row; null where the code is negative."""
    absent = codes < 0
    indices = pa.array(np.where(absent, 0, codes), mask=absent) if absent.any() else pa.array(codes)
    return pa.array(pieces or [b""], pa.binary()).take(indices)


def each(column: pa.ChunkedArray | pa.Array, piece: Callable[[Any], bytes]) -> pa.Array:
    """A piece made of each value; null where there is none."""
    codes, values = coded(column)
    used = set(np.unique(codes).tolist())
    return spread([piece(value) if code in used else b"" for code, value in enumerate(values)], codes)


def hexadecimal(column: pa.ChunkedArray | pa.Array, size: int) -> pa.Array:
    """Ids of so many bytes as hexadecimal digits; null stays null."""
    array = flat(column)
    content = array.fill_null(bytes(size)) if array.null_count else array
    raw = content.buffers()[1][content.offset * size : (content.offset + len(content)) * size]
    return _of_one_size(
        raw.to_pybytes().hex().encode(), 2 * size, array.is_null() if array.null_count else None
    )


def _of_one_size(content: bytes, size: int, absent: pa.Array | None = None) -> pa.Array:
    count = len(content) // size
    validity = None
    if absent is not None:
        packed = np.packbits(~absent.to_numpy(zero_copy_only=False), bitorder="little")
        validity = pa.py_buffer(packed.tobytes())
    offsets = np.arange(0, (count + 1) * size, size, dtype=np.int32)
    return pa.BinaryArray.from_buffers(
        pa.binary(), count, [validity, pa.py_buffer(offsets.tobytes()), pa.py_buffer(content)]
    )


def decimal(numbers: npt.NDArray[np.integer[Any]] | pa.Array | pa.ChunkedArray) -> pa.Array:
    """Whole numbers as digits."""
    array = flat(numbers) if isinstance(numbers, (pa.Array, pa.ChunkedArray)) else pa.array(numbers)
    return array.cast(pa.string()).cast(pa.binary())


def timestamps(times_ns: npt.NDArray[np.int64]) -> pa.Array:
    """RFC 3339 with nanoseconds."""
    seconds, fractions = np.divmod(times_ns, SECOND)
    distinct, codes = np.unique(seconds, return_inverse=True)
    whole = spread([f"{second_text(int(second))}.".encode() for second in distinct], codes.astype(np.int32))
    digits = fractions[:, None] // 10 ** np.arange(_DIGITS - 1, -1, -1, dtype=np.int64) % 10 + ord("0")
    return joined(whole, _of_one_size(digits.astype(np.uint8).tobytes(), _DIGITS), b"Z")


def where(present: npt.NDArray[np.bool_], column: pa.Array) -> pa.Array:
    """The column with nulls in the other rows."""
    return column if present.all() else pc.if_else(pa.array(present), column, pa.scalar(None, column.type))


def joined(*pieces: Piece) -> pa.Array:
    """The pieces of each row in a row; null pieces vanish."""
    return pc.binary_join_element_wise(
        *map(_term, pieces), _EMPTY, null_handling="replace", null_replacement=b""
    )


def together(*pieces: Piece) -> pa.Array:
    """The pieces of each row in a row; null where one of them is."""
    return pc.binary_join_element_wise(*map(_term, pieces), _EMPTY, null_handling="emit_null")


def _term(piece: Piece) -> pa.Array | pa.Scalar:
    return pa.scalar(piece, pa.binary()) if isinstance(piece, bytes) else piece


def groups(columns: Sequence[Codes], count: int) -> tuple[npt.NDArray[np.int64], Codes]:
    """Rows that are alike in all these codes: the first row of each group, and the group of each row."""
    combined = np.zeros(count, np.int64)
    size = 1
    for codes in columns:
        width = int(codes.max(initial=-1)) + 2
        if size * width >= 2**62:
            _, combined = np.unique(combined, return_inverse=True)
            size = int(combined.max(initial=0)) + 1
        combined = combined * width + (codes + 1)
        size *= width
    _, first, group = np.unique(combined, return_index=True, return_inverse=True)
    return first, group.astype(np.int32)
