"""Servers that apps under test talk to, from Debian's packages, each in a folder of its own and as nobody in particular:
PostgreSQL, MariaDB, Redis, memcached."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.agent import PATIENCE_S, free_port

TABLE = (
    "CREATE TABLE shop_item (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL); "
    "INSERT INTO shop_item VALUES (1, 'a lamp');"
)


def binary(name: str, package: str, *folders: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", ""), "/usr/sbin"]))
    if found is None:
        pytest.skip(f"there is no {name} here (Debian package {package})")
    return found


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """Not pytest's, which no other user may enter; root's servers refuse to be root's."""
    folder = Path(tempfile.mkdtemp(prefix="peer-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, _nobody(), -1)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, user=_user(), cwd="/"
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-500:]} {done.stderr[-500:]}"


@contextlib.contextmanager
def server(command: Sequence[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=_user(), cwd="/"
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{command[0]} does not listen"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()


@contextlib.contextmanager
def postgresql() -> Iterator[int]:
    """Its port; anybody is let in as `reader`, to a database `shop` with one table."""
    homes = [str(home) for home in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    postgres, port = binary("postgres", "postgresql", *homes), free_port()
    beside = str(Path(postgres).parent)
    with own_folder() as folder:
        run(f"{beside}/initdb", "-D", f"{folder}/data", "-U", "reader", "-A", "trust", "--no-sync")
        command = (
            postgres,
            "-D",
            f"{folder}/data",
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-k",
            str(folder),
            "-F",
        )
        with server(command, port):
            address = ("-h", "127.0.0.1", "-p", str(port), "-U", "reader")
            _until_it_answers(f"{beside}/pg_isready", *address[:4])
            run(f"{beside}/createdb", *address, "shop")
            run(f"{beside}/psql", *address, "-d", "shop", "-q", "-c", TABLE)
            yield port


@contextlib.contextmanager
def mariadb() -> Iterator[int]:
    """Its port; `reader` is let in without a password, to a database `shop` with one table."""
    daemon, port = binary("mariadbd", "mariadb-server"), free_port()
    with own_folder() as folder:
        run(
            binary("mariadb-install-db", "mariadb-server"),
            "--no-defaults",
            f"--datadir={folder}/data",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )
        command = (
            daemon,
            "--no-defaults",
            f"--datadir={folder}/data",
            f"--socket={folder}/socket",
            f"--pid-file={folder}/pid",
            f"--port={port}",
            "--bind-address=127.0.0.1",
        )
        with server(command, port):
            sql = (
                f"CREATE DATABASE shop; USE shop; {TABLE} CREATE USER reader; GRANT ALL ON shop.* TO reader;"
            )
            run(
                binary("mariadb", "mariadb-client"),
                "--no-defaults",
                f"--socket={folder}/socket",
                "-u",
                "root",
                "-e",
                sql,
            )
            yield port


@contextlib.contextmanager
def redis() -> Iterator[int]:
    port = free_port()
    command = (
        binary("redis-server", "redis-server"),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
    )
    with server(command, port):
        yield port


@contextlib.contextmanager
def memcached() -> Iterator[int]:
    port = free_port()
    with server((binary("memcached", "memcached"), "-l", "127.0.0.1", "-p", str(port), "-U", "0"), port):
        yield port


def _until_it_answers(*command: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while subprocess.run(command, capture_output=True, timeout=10, check=False).returncode:
        assert time.monotonic() < deadline, f"{command[0]}: no answer"
        time.sleep(0.05)


def _user() -> str | None:
    return "nobody" if os.geteuid() == 0 else None


def _nobody() -> int:
    return pwd.getpwnam("nobody").pw_uid
