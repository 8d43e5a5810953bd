"""Telemetry to Logstash's HTTP input (`--also logstash`): the documents that the Elasticsearch store would write, in
JSON arrays, each with its `_id` in `event.id`. Written only: nobody can read them back from there. Findings stay out,
since they are brought up to date in place, which Logstash's pipeline cannot do.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import orjson

from tracestitch_collector.errors import Unavailable
from tracestitch_collector.store.elasticsearch.bulk import rejection
from tracestitch_collector.store.elasticsearch.chunks import chunks
from tracestitch_collector.store.elasticsearch.documents import Action, log_lines, span_lines
from tracestitch_collector.store.elasticsearch.offsets import read_offsets, write_offsets
from tracestitch_collector.store.elasticsearch.origins import Origins
from tracestitch_collector.store.elasticsearch.routing import Router
from tracestitch_collector.store.store import Batch, Offsets, Rejected

FILE = Path("outputs") / "logstash.json"
MAX_BODY_BYTES = 2_000_000
TIMEOUT_S = 30.0
REFUSED = (400, 413)
"""For what is in the body; whatever else is not 2xx may be mended without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    reason: str


Post = Callable[[bytes], Answer]
"""Raises OSError or HTTPException where nobody answers."""


class LogstashOutput:
    """See `Sink`."""

    def __init__(self, url: str, data: Path, post: Post | None = None) -> None:
        self._address = without_credentials(url)
        self._post = post or (lambda body: posted(url, body))
        self._data = data
        self._router = Router(namespace="default")
        self._origins = Origins()
        self._written = dict(self.covered())

    def write(self, batch: Batch) -> tuple[Rejected, ...]:
        lines = itertools.chain(
            span_lines(batch.spans, self._router, self._origins),
            log_lines(batch.logs, self._router, self._origins),
        )
        rejected = [
            letter for chunk in chunks(lines, MAX_BODY_BYTES) for letter in self._deliver(chunk.actions())
        ]
        self._written |= batch.end
        return tuple(rejected)

    def _deliver(self, actions: Sequence[Action]) -> list[Rejected]:
        """One document may be refused with the whole array; it must not keep the others out."""
        answer = self._asked(body_of(actions))
        if 200 <= answer.status < 300:
            return []
        text = f"Logstash at {self._address} answered {answer.status}: {self._meaning(answer)}"
        if answer.status not in REFUSED:
            raise Unavailable(text)
        if len(actions) == 1:
            return [rejection(actions[0], text)]
        half = len(actions) // 2
        return [*self._deliver(actions[:half]), *self._deliver(actions[half:])]

    def _asked(self, body: bytes) -> Answer:
        try:
            return self._post(body)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"Logstash at {self._address} cannot be reached ({error or type(error).__name__}): "
                "is its HTTP input running, and is --logstash-url right?"
            ) from error

    def _meaning(self, answer: Answer) -> str:
        return {
            401: "user or password in --logstash-url are wrong",
            404: "this is not its HTTP input: check the port in --logstash-url",
            429: "its queue is full for now",
        }.get(answer.status, answer.reason or "no reason given")

    def sync(self) -> Offsets:
        return self.begin_sync()()

    def begin_sync(self) -> Callable[[], Offsets]:
        """Logstash has what it answered 200 to: in its queue, which is on disk with `queue.type: persisted`."""
        written = dict(self._written)

        def record() -> Offsets:
            write_offsets(self._data, written, FILE)
            return written

        return record

    def covered(self) -> Offsets:
        return read_offsets(self._data, FILE)

    def recent_digests(self, since_ns: int) -> frozenset[bytes]:
        """Empty: `event.id` is a document's identity."""
        del since_ns
        return frozenset()

    def close(self) -> None:
        """Every request has a connection of its own."""


def body_of(actions: Sequence[Action]) -> bytes:
    return b"[%b]" % b",".join(_event(action) for action in actions)


def _event(action: Action) -> bytes:
    """No document has a field `event` at its top."""
    (header,) = orjson.loads(action.line).values()
    return b'{"event":%b,%b' % (orjson.dumps({"id": header["_id"]}), action.document[1:])


def posted(url: str, body: bytes) -> Answer:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port or 80, timeout=TIMEOUT_S)
    )
    headers = {"Content-Type": "application/json"}
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    try:
        connection.request("POST", parts.path or "/", body, headers)
        response = connection.getresponse()
        said = response.read(10_000).decode(errors="replace").strip()
        return Answer(status=response.status, reason=said[:300] or response.reason)
    finally:
        connection.close()


def without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
