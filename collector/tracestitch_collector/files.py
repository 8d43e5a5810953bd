"""What durability asks of the file system, behind a Protocol: the log and the embedded store write through it, so
that tests can make each step fail or be the last one before a crash.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

_sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the slower one


class Files(Protocol):
    """Each step raises OSError where the disk is full or fails."""

    def open_to_append(self, path: Path, *, create: bool = False) -> int: ...

    def append(self, file: int, buffers: list[bytes]) -> int:
        """How much of the buffers was written, as of `os.writev`."""
        ...

    def sync(self, file: int) -> None:
        """What was written survives a power cut."""
        ...

    def cut(self, file: int, size: int) -> None: ...

    def fill(self, path: Path, write: Callable[[Path], None]) -> None:
        """Makes a new file, by whatever is used to write it."""
        ...

    def sink(self, path: Path) -> Path | IO[bytes]:
        """What Arrow is to write a new file to."""
        ...

    def sync_file(self, path: Path) -> None: ...

    def sync_folder(self, folder: Path) -> None:
        """The names in the folder survive a power cut."""
        ...

    def rename(self, old: Path, new: Path) -> None: ...

    def remove(self, path: Path) -> None:
        """Also where there is none any more."""
        ...


class Disk:
    """The real one."""

    def open_to_append(self, path: Path, *, create: bool = False) -> int:
        created = os.O_CREAT if create else 0
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | created, 0o600)

    def append(self, file: int, buffers: list[bytes]) -> int:
        return os.writev(file, buffers)

    def sync(self, file: int) -> None:
        _sync(file)

    def cut(self, file: int, size: int) -> None:
        os.ftruncate(file, size)
        os.fsync(file)

    def fill(self, path: Path, write: Callable[[Path], None]) -> None:
        write(path)

    def sink(self, path: Path) -> Path | IO[bytes]:
        return path

    def sync_file(self, path: Path) -> None:
        _synced(path, _sync)

    def sync_folder(self, folder: Path) -> None:
        _synced(folder, os.fsync)

    def rename(self, old: Path, new: Path) -> None:
        os.replace(old, new)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)


def _synced(path: Path, sync: Callable[[int], None]) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync(file)
    finally:
        os.close(file)


DISK = Disk()
