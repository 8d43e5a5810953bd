"""Containers without an engine: what an image, compose or Kubernetes says of a process (command, settings, user, read-only
root, folders) is done to a real one, in mount and network namespaces of its own.

`python tests/support/container.py` is the part inside them: it reads a Container as JSON, starts it, asks and tells.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HOME = Path("/mnt")
"""Where the container's own folders are seen: a tmpfs with the interpreter, its packages and the sources in it."""
PATIENCE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    arguments: tuple[str, ...]
    """After `tracestitch`."""
    environment: Mapping[str, str]
    user: int
    writable: tuple[str, ...]
    """Folders; everything else is read-only."""
    probes: tuple[str, ...]
    """Addresses that answer 200 once it is ready."""
    sends: tuple[tuple[str, str], ...] = ()
    """Address and JSON body of each POST, all to be answered with 200."""
    asks: tuple[str, ...] = ()
    """Addresses of JSON that is read until it is not empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    answers: dict[str, int] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    wrote_outside: bool = False
    exit_code: int | None = None
    output: str = ""


def run(container: Container) -> Seen:
    """What was seen of it, from its start to SIGTERM and its end."""
    command = ["unshare", "-mn", sys.executable, __file__]
    done = subprocess.run(
        command, input=json.dumps(asdict(container)), capture_output=True, text=True, timeout=240, check=False
    )
    if done.returncode:
        raise AssertionError(f"the namespaces could not be made: {done.stderr[-2000:]}")
    return Seen(**json.loads(done.stdout))


def are_namespaces_allowed() -> bool:
    command = [
        "unshare",
        "-mn",
        "sh",
        "-c",
        "mount -t tmpfs none /mnt && setpriv --reuid 1 --clear-groups true",
    ]
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run(command, capture_output=True, check=False).returncode
    )


def _inside(container: Container) -> Seen:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with os.fdopen(os.memfd_create("output"), "w+") as output:  # no file: nothing can be written soon
        folders = dict(_folders(container))
        process = subprocess.Popen(
            _as_user(container, [_there(text, folders) for text in container.arguments]),
            env={**_environment(), **{k: _there(v, folders) for k, v in container.environment.items()}},
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=HOME,
        )
        answers = {address: _answered(address, process) for address in container.probes}
        answers.update({address: _sent(address, body, container) for address, body in container.sends})
        documents = {address: _read(address, container) for address in container.asks}
        process.terminate()
        code = process.wait(30)
        output.seek(0)
        return Seen(
            answers=answers,
            documents=documents,
            wrote_outside=_wrote_outside(container),
            exit_code=code,
            output=output.read(),
        )


def _folders(container: Container) -> Iterator[tuple[str, Path]]:
    """Makes the file system: read-only but for what the container may write."""
    mount = ["mount", "--bind"]
    subprocess.run(["mount", "-t", "tmpfs", "none", HOME], check=True)
    for name, source in {
        "python": Path(sys.base_prefix),
        "packages": Path(sysconfig.get_path("purelib")),
        "source": ROOT,
    }.items():
        (HOME / name).mkdir()
        subprocess.run([*mount, source, HOME / name], check=True)
    for number, path in enumerate(container.writable):
        folder = HOME / f"writable-{number}"
        folder.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"uid={container.user},mode=0700", "none", folder], check=True
        )
        yield path, folder
    for where in ("/", str(HOME)):
        subprocess.run(["mount", "-o", "remount,ro,bind", where], check=True)


def _environment() -> dict[str, str]:
    """An image's environment, and nothing of this machine's."""
    source = [HOME / "source" / name for name in ("instrumentation", "collector", "dashboard", "stack/demo")]
    return {
        "PATH": f"{HOME}/python/bin:/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join(map(str, [*source, HOME / "packages"])),
        "LD_LIBRARY_PATH": f"{HOME}/python/lib",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": f"{HOME}/writable-0",
        "TMPDIR": f"{HOME}/writable-1",
    }


def _as_user(container: Container, arguments: Sequence[str]) -> list[str]:
    python = HOME / "python" / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    user = ["--reuid", str(container.user), "--regid", str(container.user), "--clear-groups"]
    return [
        "setpriv",
        *user,
        "--no-new-privs",
        "--bounding-set=-all",
        str(python),
        "-m",
        "tracestitch",
        *arguments,
    ]


def _there(text: str, folders: Mapping[str, Path]) -> str:
    return str(folders.get(text, text))


def _answered(address: str, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            return int(urllib.request.urlopen(address, timeout=5).status)
        time.sleep(0.1)
    return 0


def _request(address: str, container: Container, body: bytes | None = None) -> urllib.request.Request:
    token = container.environment["TRACESTITCH_TOKEN"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return urllib.request.Request(address, data=body, headers=headers)


def _sent(address: str, body: str, container: Container) -> int:
    try:
        return int(urllib.request.urlopen(_request(address, container, body.encode()), timeout=20).status)
    except urllib.error.HTTPError as error:
        return error.code


def _read(address: str, container: Container) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(OSError):
            found = json.load(urllib.request.urlopen(_request(address, container), timeout=20))
            if any(isinstance(part, list) and part for part in found.values()):
                return found
        if time.monotonic() > deadline:
            return {}
        time.sleep(0.2)


def _wrote_outside(container: Container) -> bool:
    """Whether its user could have written anywhere else."""
    test = 'for folder in / /mnt /var /etc /usr; do touch "$folder/x" 2>/dev/null && exit 0; done; exit 1'
    user = ["setpriv", "--reuid", str(container.user), "--clear-groups"]
    return subprocess.run([*user, "sh", "-c", test], check=False).returncode == 0


if __name__ == "__main__":
    given = json.load(sys.stdin)
    sys.stdout.write(json.dumps(asdict(_inside(Container(**given)))))
