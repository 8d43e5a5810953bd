"""A file layer that fails or crashes at a chosen step, and loses at a power cut what was not synced."""

from __future__ import annotations

import errno
import io
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeVar

from tracestitch_collector.files import Disk

Answer = TypeVar("Answer")
Moment = Literal["before", "half", "after"]


class Crash(BaseException):
    """The process is gone: nothing it does from here on reaches the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    step: int
    """Which step of all, from 0."""
    code: int = 0
    """The error of the system; 0 for a crash."""
    moment: Moment = "before"
    """A step may have been done, or done in part, when it fails."""
    steps: int = 1
    """So many in a row fail."""

    def error(self) -> BaseException:
        return OSError(self.code, os.strerror(self.code)) if self.code else Crash()


FAULTS: tuple[tuple[int, Moment], ...] = (
    (errno.EIO, "before"),
    (errno.ENOSPC, "half"),
    (errno.EIO, "after"),
    (0, "before"),
    (0, "half"),
    (0, "after"),
)


@dataclass(slots=True)
class _Name:
    """A name that came to be or changed, and what to do when that is lost."""

    folder: Path
    undo: Callable[[], object]


class FailingFiles(Disk):
    def __init__(self, *faults: Fault) -> None:
        self.faults = list(faults)
        self.steps: list[str] = []
        self.dead = False
        self._synced: dict[Path, int] = {}
        """Of files that are appended to."""
        self._names: list[_Name] = []
        """In order; those of a synced folder are forgotten."""
        self._sinks: list[_Sink] = []

    # The steps

    def open_to_append(self, path: Path, *, create: bool = False) -> int:
        fresh = create and not path.exists()
        file = self._step("open", lambda: super(FailingFiles, self).open_to_append(path, create=create))
        self._synced.setdefault(path, 0 if fresh else path.stat().st_size)
        if fresh:
            self._names.append(_Name(path.parent, lambda: path.unlink(missing_ok=True)))
        return file

    def append(self, file: int, buffers: list[bytes]) -> int:
        whole = b"".join(buffers)
        return self._step(
            "append", lambda: os.write(file, whole), lambda: os.write(file, whole[: len(whole) // 2])
        )

    def sync(self, file: int) -> None:
        self._step("sync", lambda: self._note_synced(file))

    def cut(self, file: int, size: int) -> None:
        def cut() -> None:
            os.ftruncate(file, size)
            self._note_synced(file)

        self._step("cut", cut)

    def fill(self, path: Path, write: Callable[[Path], None]) -> None:
        def half() -> None:
            write(path)
            os.truncate(path, path.stat().st_size // 2)

        self._step("fill", lambda: write(path), half)

    def sink(self, path: Path) -> IO[bytes]:
        self._step("open", lambda: None)
        sink = _Sink(path, self)
        self._sinks.append(sink)
        return sink

    def write(self, sink: io.FileIO, content: bytes) -> None:
        if self.dead:  # Arrow flushes when it is closed
            return
        self._step(
            "write",
            lambda: io.FileIO.write(sink, content),
            lambda: io.FileIO.write(sink, content[: len(content) // 2]),
        )

    def sync_file(self, path: Path) -> None:
        self._step("sync file", lambda: None)

    def sync_folder(self, folder: Path) -> None:
        def sync() -> None:
            self._names = [name for name in self._names if name.folder != folder]

        self._step("sync folder", sync)

    def rename(self, old: Path, new: Path) -> None:
        before = new.read_bytes() if new.exists() else None

        def undo() -> None:
            new.unlink(missing_ok=True) if before is None else new.write_bytes(before)

        def rename() -> None:
            os.replace(old, new)
            self._names.append(_Name(new.parent, undo))

        self._step("rename", rename)

    def remove(self, path: Path) -> None:
        self._step("remove", lambda: path.unlink(missing_ok=True))

    # What goes wrong

    def crash(self) -> None:
        self.dead = True
        for sink in self._sinks:
            sink.close()

    def power_cut(self, source: random.Random) -> None:
        """To be called after a crash: of what was never synced any part is gone, the newest first."""
        self.crash()
        kept = source.randint(0, len(self._names))
        for name in reversed(self._names[kept:]):
            name.undo()
        for path, synced in self._synced.items():
            if path.exists() and path.stat().st_size > synced:
                os.truncate(path, source.randint(synced, path.stat().st_size))

    def _step(self, name: str, do: Callable[[], Answer], half: Callable[[], object] = lambda: None) -> Answer:
        if self.dead:
            raise Crash
        at = len(self.steps)
        self.steps.append(name)
        for fault in self.faults:
            if fault.step <= at < fault.step + fault.steps:
                if fault.moment == "after":
                    do()
                elif fault.moment == "half":
                    half()
                if not fault.code:
                    self.dead = True
                raise fault.error()
        return do()

    def _note_synced(self, file: int) -> None:
        for path in self._synced:
            if path.exists() and os.path.samestat(path.stat(), os.fstat(file)):
                self._synced[path] = os.fstat(file).st_size


class _Sink(io.FileIO):
    """A file that asks the layer before each write."""

    def __init__(self, path: Path, files: FailingFiles) -> None:
        super().__init__(path, "wb")
        self._files = files

    def write(self, content: bytes) -> int:  # type: ignore[override]  # Arrow hands over bytes
        self._files.write(self, content)
        return len(content)
