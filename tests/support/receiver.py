"""A real receiver on free loopback ports, in a thread of the test, and a plain HTTP client for it."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tracestitch_collector.log import LogReader, Record
from tracestitch_collector.receiver import Receiver
from tracestitch_collector.settings import Settings
from tracestitch_collector.sockets import bind


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(slots=True, kw_only=True)
class RunningReceiver:
    receiver: Receiver
    data: Path
    grpc: str = ""
    http: str = ""
    _reader: LogReader | None = field(default=None)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.receiver.http_port, timeout=60)
        try:
            given = dict(headers or {})
            chunked = not isinstance(body, bytes)
            connection.request(method, path, body or None, given, encode_chunked=chunked)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(status=answer.status, headers=names, body=answer.read())
        finally:
            connection.close()

    def post(self, path: str, body: bytes | Iterator[bytes], **headers: str) -> Answer:
        """Headers as keywords: `content_type="application/json"`."""
        return self.request(
            "POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()}
        )

    def new_records(self) -> list[Record]:
        """What has come into the log since the last question."""
        if self._reader is None:
            self._reader = LogReader(self.data / "log" / "receiver", 0)
        found: list[Record] = []
        while records := self._reader.read(1 << 27):
            found += records
        return found

    def count(self, metric: str, **labels: str) -> float:
        """The value of one of its counters, 0 where it was never counted."""
        return self.receiver.counters.registry.get_sample_value(metric, labels) or 0.0


@contextmanager
def receiving(
    data: Path, *, deadlines: Mapping[str, float] | None = None, **settings: object
) -> Iterator[RunningReceiver]:
    """A receiver that runs until the block ends."""
    made = Settings(data=data, otlp_http_port=0, otlp_grpc_port=0, **settings)  # type: ignore[arg-type]  # checked there
    receiver = Receiver(made, bind("127.0.0.1", 0), **(deadlines or {}))  # type: ignore[arg-type]  # all are seconds
    thread = threading.Thread(target=lambda: asyncio.run(receiver.serve()))
    thread.start()
    try:
        yield RunningReceiver(
            receiver=receiver,
            data=data,
            http=f"http://127.0.0.1:{receiver.http_port}",
            grpc=f"127.0.0.1:{receiver.grpc_port}",
        )
    finally:
        receiver.stop()
        thread.join(timeout=30)
