"""A document that the mapping refuses, once more without the attribute it stumbled over: a key whose first value
was a map takes no text in that index any more, and the span or record is worth more than being found by it.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from tracestitch_collector.store.elasticsearch.fields import (
    ENRICHED_ATTRIBUTES,
    OWN_ATTRIBUTES,
)
from tracestitch_collector.store.elasticsearch.values import as_text

_REFUSED = re.compile(r"\[attributes\.(.+?)\]( |$)")


def without_refused(document: bytes, reason: str) -> bytes | None:
    """The document with the refused attribute kept beside instead of as a field. Where that did not help, or the
    reason names none, with all the sender's attributes kept beside; None when there is nothing left to take out."""
    body: dict[str, Any] = orjson.loads(document)
    attributes: dict[str, Any] = body["attributes"]
    kept = body.setdefault("tracestitch", {})
    hidden = OWN_ATTRIBUTES | (ENRICHED_ATTRIBUTES - set(kept.get("sent", ())))
    if "event_of" in kept:
        hidden |= {"event.name"}
    senders = [key for key in attributes if key not in hidden]
    named = _REFUSED.search(reason)
    again = kept.get("refused", False)
    moved = [named[1]] if named and named[1] in senders and not again else senders
    if not moved:
        return None
    pairs = orjson.loads(kept.get("attributes", "[]"))
    exact = {key for key, _ in pairs}
    # Values that a field does not carry exactly are kept beside already.
    pairs += [[key, attributes[key]] for key in moved if key not in exact]
    for key in moved:
        del attributes[key]
    kept["refused"] = True
    kept["attributes"] = as_text(pairs)
    unindexed = attributes.setdefault("tracestitch.unindexed", [])
    unindexed += [key for key in moved if key not in unindexed]
    return orjson.dumps(body)
