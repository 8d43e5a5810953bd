"""The hot modules as mypyc compiles them into the wheel: they do what their sources do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.module_table import ROOT

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

HOT = ("decode.attributes", "decode.values", "decode.wire", "receive.wire")
TESTS = ("test_decode.py", "test_json.py", "test_limits.py", "test_receive.py", "test_pipeline.py")


def _wheel(folder: Path, **environment: str) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*command, "--disable-pip-version-check", "-w", str(folder), str(ROOT)],
        env={**os.environ, **environment},
        check=True,
    )
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content."""
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("no C compiler on this machine: the wheel is pure Python")
    folder = tmp_path_factory.mktemp("wheel")
    wheel = _wheel(folder, TRACESTITCH_PURE="0")
    assert not wheel.name.endswith("-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "content")
    return folder / "content"


def _run(content: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(content)},
        capture_output=True,
        text=True,
    )


def test_the_hot_modules_of_the_wheel_are_compiled(compiled: Path) -> None:
    script = (
        "import importlib, sys; print(*(importlib.import_module(name).__file__ for name in sys.argv[1:]))"
    )
    found = _run(compiled, "-c", script, *(f"tracestitch_collector.{name}" for name in HOT))
    files = found.stdout.split()
    assert len(files) == len(HOT), found.stderr
    assert all(Path(file).is_relative_to(compiled) and file.endswith(".so") for file in files)


def test_compiled_modules_pass_the_tests_of_their_sources(compiled: Path) -> None:
    tests = [f"tests/collector/{name}" for name in TESTS]
    done = _run(compiled, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not processes", *tests)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr


KEEPING = """
import gc, sys
from pathlib import Path
from tests.support.otlp import otlp_span, trace_request
from tracestitch_collector.decode.decoder import Decoder, Request
from tracestitch_collector.receive.shapes import TRACES
from tracestitch_collector.receive.wire import Inspector

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

body = trace_request(*(otlp_span() for _ in range(2000))).SerializeToString()
inspector, decoder = Inspector(), Decoder()

def once(content):
    try:
        inspector.inspect(content, TRACES)
    except ValueError:
        pass
    decoder.spans([Request(body=content, digest=bytes(16), received_ns=0)])

gc.disable()
for repeat in range(520):
    if repeat == 20:
        before = resident()
    once(body[: len(body) - repeat % 2])
print((resident() - before) / (500 * len(body)))
"""


def test_compiled_modules_keep_no_request_even_where_nobody_collects_garbage(compiled: Path) -> None:
    done = _run(compiled, "-c", KEEPING)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.2  # 1 when each body is kept


def test_a_wheel_without_compiled_modules_can_be_asked_for(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, TRACESTITCH_PURE="1")
    assert wheel.name.endswith("-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".so")]


def test_a_wheel_that_cannot_be_compiled_is_pure(tmp_path: Path) -> None:
    broken = tmp_path / "bin" / "cc"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    wheel = _wheel(tmp_path, TRACESTITCH_PURE="0", CC=str(broken), PATH=f"{broken.parent}:/usr/bin:/bin")
    assert wheel.name.endswith("-none-any.whl")
