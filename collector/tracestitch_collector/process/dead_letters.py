"""What can never be stored is set aside with the reason, so that someone can look at it, mend the cause and have it
tried again; within a limit. Several processes may write and one may take letters out: a lock on the folder keeps
them apart.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tracestitch_collector.decode.decoder import Undecodable
from tracestitch_collector.log import Kind
from tracestitch_collector.store.store import Rejected

FOLDER = "deadletter"
"""In the data folder."""
MAX_BYTES = 100_000_000
INDEX = "letters.ndjson"
LOCK = "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One item that was set aside."""

    id: str
    """The same for the same item, however often it was set aside."""
    signal: str
    reason: str
    time_ns: int
    """When a request was received, or an item rejected."""
    file: str = ""
    """Beside the index: the body of a whole request that could not be decoded."""
    document: str = ""
    """An item as the store was given it."""
    identity: str = ""
    """Where the store would have put it."""


class DeadLetters:
    """`letters.ndjson` has one line per letter; the body of a whole request lies beside it."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES, keeps_requests: bool = True) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._keeps_requests = keeps_requests
        """Whether undecodable requests are ours to keep: another process may see the same."""
        self._bytes = _size(folder)
        self.discarded = 0
        """Letters that were only counted, because the folder is full."""

    def put_request(self, kind: Kind, letter: Undecodable) -> None:
        if not self._keeps_requests:
            return
        self._look_for_room()
        request = letter.request
        name = f"{request.received_ns}-{request.digest.hex()}.{kind.name.lower()}"
        line = {"signal": kind.name.lower(), "reason": letter.reason, "received_ns": request.received_ns}
        text = _text({**line, "file": name})
        if self._has_room(len(text) + len(request.body)):
            self._append([text], name, request.body)

    def put_rejected(self, letters: Iterable[Rejected], now_ns: int) -> None:
        self._look_for_room()
        texts = [_text({**_told(letter), "rejected_ns": now_ns}) for letter in letters]
        if kept := [text for text in texts if self._has_room(len(text))]:
            self._append(kept)

    def _has_room(self, size: int) -> bool:
        if self._bytes + size > self._max_bytes:
            self.discarded += 1
            return False
        self._bytes += size
        return True

    def _look_for_room(self) -> None:
        """Somebody may have taken letters out."""
        if self.discarded:
            self._bytes = _size(self._folder)

    def _append(self, lines: list[str], name: str = "", body: bytes = b"") -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with _locked(self._folder):
                if name:
                    (self._folder / name).write_bytes(body)
                with (self._folder / INDEX).open("a") as file:
                    file.writelines(lines)
        except OSError:  # a full disk must not keep the rest from being stored
            self.discarded += len(lines)


def _text(line: Mapping[str, object]) -> str:
    return json.dumps(line) + "\n"


def _told(letter: Rejected) -> dict[str, object]:
    return {
        "signal": letter.signal,
        "reason": letter.reason,
        "document": letter.document,
        "identity": letter.identity,
    }


def read_letters(folder: Path) -> list[Letter]:
    """Each item once, the oldest first; lines that are none are left out."""
    return list({letter.id: letter for letter in _lines(folder, 0)}.values())


def newest_letters(folder: Path, most_bytes: int = 200_000) -> list[Letter]:
    """Those at the end of the file, the newest first, without reading all of it."""
    found = {letter.id: letter for letter in _lines(folder, most_bytes)}
    return list(reversed(found.values()))


def take_out(folder: Path, ids: Collection[str]) -> None:
    """Removes letters that were dealt with. Raises OSError with nothing removed."""
    if not ids:
        return
    path, fresh = folder / INDEX, folder / f"{INDEX}.new"
    with _locked(folder):
        gone = []
        with path.open() as lines, fresh.open("w") as kept:
            for line in lines:
                letter = _letter(line)
                if letter is not None and letter.id in ids:
                    gone.append(letter)
                else:
                    kept.write(line)
            kept.flush()
            os.fsync(kept.fileno())
        fresh.replace(path)
        for letter in gone:
            if letter.file:
                with suppress(OSError):
                    (folder / letter.file).unlink(missing_ok=True)


def _lines(folder: Path, most_bytes: int) -> Iterator[Letter]:
    try:
        with (folder / INDEX).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if most_bytes and size > most_bytes:
                file.seek(size - most_bytes)
                file.readline()  # the rest of one
            for line in file:
                letter = _letter(line)
                if letter is not None:
                    yield letter
    except FileNotFoundError:
        return


def _letter(line: str | bytes) -> Letter | None:
    try:
        found = json.loads(line)
        told = found.get("identity") or found.get("file") or found["document"]
        return Letter(
            id=hashlib.blake2b(f"{found['signal']} {told}".encode(), digest_size=6).hexdigest(),
            signal=found["signal"],
            reason=found["reason"],
            time_ns=int(found.get("received_ns") or found.get("rejected_ns") or 0),
            file=Path(found.get("file", "")).name,
            document=found.get("document", ""),
            identity=found.get("identity", ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except FileNotFoundError:  # none yet, or taken out meanwhile
        return 0
