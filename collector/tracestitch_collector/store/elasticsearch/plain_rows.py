"""What the texts of plain spans and of plain log records have in common: the line before each document, its stream,
its identity, and its resource and scope.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from tracestitch_collector.store.elasticsearch.origins import Origins
from tracestitch_collector.store.elasticsearch.routing import Router
from tracestitch_collector.store.elasticsearch.texts import (
    coded,
    decimal,
    each,
    flat,
    groups,
    joined,
    spread,
    together,
    where,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """What stands around the rows' own texts."""

    heads: pa.Array
    """The bulk line up to its `_id`."""
    streams: pa.Array
    """From the end of `@timestamp` on."""
    tails: pa.Array
    """From the end of `attributes` to the end of the line."""


def frames(table: pa.Table, kind: Literal["traces", "logs"], router: Router, origins: Origins) -> Frames:
    resources, resource_texts = coded(table.column("resource"))
    services, names = coded(table.column("service_name"))
    scopes, scope_texts = coded(table.column("scope"))
    flags = numbers(table, "flags")
    distinct_flags, flag_codes = np.unique(flags, return_inverse=True)
    first, group = groups([resources, services, scopes, flag_codes.astype(np.int32)], table.num_rows)
    heads, streams, tails = [], [], []
    for row in first:
        resource = origins.resource(resource_texts[resources[row]], names[services[row]])
        scope = origins.scope(scope_texts[scopes[row]])
        stream = router.stream({}, scope.name, scope.attributes, resource.attributes)
        data_stream = {"type": kind, "dataset": stream.dataset, "namespace": stream.namespace}
        heads.append(b'{"create":{"_index":' + orjson.dumps(stream.name(kind)) + b',"_id":"')
        streams.append(b'","data_stream":' + orjson.dumps(data_stream))
        flag = int(distinct_flags[flag_codes[row]])
        kept = {**({"flags": flag} if flag else {}), **resource.kept, **scope.kept}
        rest: dict[str, Any] = {"resource": resource.document, "scope": scope.document}
        if kept:
            rest["tracestitch"] = kept
        tails.append(b"}," + orjson.dumps(rest)[1:] + b"\n")
    return Frames(heads=spread(heads, group), streams=spread(streams, group), tails=spread(tails, group))


def identities(table: pa.Table) -> pa.Array:
    """As documents.identity_text has them."""
    digests = each(table.column("request_digest"), lambda value: base64.urlsafe_b64encode(value)[:22])
    return joined(digests, decimal(table.column("request_index")))


def numbers(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    """A column of whole numbers; null is zero."""
    column: npt.NDArray[np.int64] = flat(table.column(name)).cast(pa.int64()).fill_null(0).to_numpy()
    return column


def quoted(column: pa.ChunkedArray) -> pa.Array:
    """Text as JSON; null is empty."""
    codes, values = coded(column)
    pieces = [orjson.dumps(value) for value in values]
    return spread([*pieces, b'""'], np.where(codes < 0, len(pieces), codes))


def dropped_counts(table: pa.Table, names: Sequence[str]) -> list[pa.Array]:
    """Each only where something was dropped."""
    found = []
    for name in names:
        counts = numbers(table, name)
        if counts.any():
            before = b"," + orjson.dumps(name) + b":"
            found.append(together(before, where(counts != 0, decimal(counts))))
    return found
