"""Text columns as dictionaries while segments are written: each text is hashed once, then rows are sorted, told and
written by its number.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TEXT = pa.dictionary(pa.int32(), pa.string())


def encoded(table: pa.Table) -> pa.Table:
    """The table, in one piece, with every text as a dictionary."""
    columns = []
    for column in table.columns:
        if pa.types.is_string(column.type):
            column = column.dictionary_encode().unify_dictionaries()
        columns.append(column.combine_chunks())
    return pa.table(columns, names=table.column_names)


def schema_of(plain: pa.Schema) -> pa.Schema:
    """The schema with dictionaries for texts: files that are written with either are alike."""
    return pa.schema(
        [pa.field(field.name, TEXT) if pa.types.is_string(field.type) else field for field in plain]
    )


def trimmed(table: pa.Table) -> pa.Table:
    """The table in one piece; its dictionaries hold what occurs and nothing else, each value once."""
    columns = []
    for column in table.columns:
        whole = column.combine_chunks()
        columns.append(_trimmed(whole) if pa.types.is_dictionary(whole.type) else whole)
    return pa.table(columns, names=table.column_names)


def _trimmed(column: pa.DictionaryArray) -> pa.DictionaryArray:
    indices, dictionary = column.indices, column.dictionary
    absent = indices.is_null().to_numpy(zero_copy_only=False) if indices.null_count else None
    codes = pc.fill_null(indices, 0).to_numpy() if absent is not None else indices.to_numpy()
    occurs = np.zeros(max(len(dictionary), 1), bool)
    occurs[codes if absent is None else codes[~absent]] = True
    used = np.flatnonzero(occurs)
    if len(used) == len(dictionary):
        return column
    numbers = np.zeros(len(occurs), np.int32)
    numbers[used] = np.arange(len(used), dtype=np.int32)
    return pa.DictionaryArray.from_arrays(
        pa.array(numbers[codes], mask=absent), dictionary.take(pa.array(used))
    )
