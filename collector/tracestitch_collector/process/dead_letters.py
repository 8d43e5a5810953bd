"""What can never be stored is set aside with the reason, so that someone can look at it, within a limit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tracestitch_collector.decode.decoder import Undecodable
from tracestitch_collector.log import Kind
from tracestitch_collector.store.store import Rejected

MAX_BYTES = 100_000_000
INDEX = "letters.ndjson"


class DeadLetters:
    """`letters.ndjson` has one line per letter; the body of a whole request lies beside it."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._bytes = sum(path.stat().st_size for path in folder.iterdir()) if folder.exists() else 0
        self.discarded = 0
        """Letters that were only counted, because the folder is full."""

    def put_request(self, kind: Kind, letter: Undecodable) -> None:
        request = letter.request
        name = f"{request.received_ns}-{request.digest.hex()}.{kind.name.lower()}"
        line = {"signal": kind.name.lower(), "reason": letter.reason, "received_ns": request.received_ns}
        if self._has_room(len(request.body)):
            self._append({**line, "file": name}, name, request.body)

    def put_rejected(self, letters: Iterable[Rejected], now_ns: int) -> None:
        for letter in letters:
            if self._has_room(len(letter.document)):
                self._append(
                    {
                        "signal": letter.signal,
                        "reason": letter.reason,
                        "rejected_ns": now_ns,
                        "document": letter.document,
                    }
                )

    def _has_room(self, size: int) -> bool:
        if self._bytes + size > self._max_bytes:
            self.discarded += 1
            return False
        self._bytes += size
        return True

    def _append(self, line: dict[str, object], name: str = "", body: bytes = b"") -> None:
        text = json.dumps(line) + "\n"
        self._bytes += len(text)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if name:
                (self._folder / name).write_bytes(body)
            with (self._folder / INDEX).open("a") as file:
                file.write(text)
        except OSError:  # a full disk must not keep the rest from being stored
            self.discarded += 1
