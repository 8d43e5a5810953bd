"""docs/extending.md is right: all that it adds is added to a copy, and works there."""

from __future__ import annotations

import re
import shutil
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.module_table import ROOT
from tests.support.otlp import otlp_span, trace_request
from tests.support.server import Server, eventually, start

PAGE = ROOT / "docs" / "extending.md"
PATIENCE_S = 120
BLOCK = re.compile(r"^```(python|html|diff) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PACKAGES = ("collector/tracestitch_collector", "dashboard/tracestitch_dashboard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    kind: str
    path: str
    text: str

    def make(self, root: Path) -> None:
        """A new file whole, or new lines where the others stand."""
        file = root / self.path
        if self.kind != "diff":
            assert not file.exists(), f"{self.path} is there already: docs/extending.md needs another example"
            file.write_text(self.text)
            return
        lines = self.text.splitlines(keepends=True)
        before = "".join(line[1:] or line for line in lines if not line.startswith("+"))
        after = "".join(line[1:] or line for line in lines)
        content = file.read_text()
        assert content.count(before) == 1, (
            f"docs/extending.md shows a place that {self.path} does not have:\n{before}"
        )
        file.write_text(content.replace(before, after))


def additions() -> Iterator[Addition]:
    for kind, path, text in BLOCK.findall(PAGE.read_text()):
        yield Addition(kind=kind, path=path, text=text)


def test_every_file_that_the_page_names_is_there() -> None:
    new = {addition.path for addition in additions() if addition.kind != "diff"}
    named = set(re.findall(r"`((?:store|decode|outputs|checks|pages)/[\w/]+\.py|\w+\.py)`", PAGE.read_text()))
    homes = [ROOT / package for package in PACKAGES]
    missing = [
        name
        for name in sorted(named)
        if not any((home / name).exists() for home in homes)
        and not any(path.endswith(f"/{name}") for path in new)
        and not list((homes[0] / "store" / "embedded").glob(name))
    ]
    assert missing == []


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a copy with everything added, which has taken one request."""
    copy, data = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("data")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for addition in additions():
        addition.make(copy)
    path = ":".join(str(copy / package.partition("/")[0]) for package in PACKAGES)
    with (data / "said.txt").open("wb") as said:
        server = start(data, environment={"PYTHONPATH": path}, errors=said)
        spans = [
            otlp_span(start_ns=time.time_ns(), duration_ns=3_000_000_000),
            otlp_span(start_ns=time.time_ns(), span_id="ab" * 8, parent_span_id="b7ad6b7169203331", kind=3),
        ]
        body = trace_request(*spans, resource={"service.name": "pricing"}).SerializeToString()
        headers = {"Content-Type": "application/x-protobuf"}
        urllib.request.urlopen(urllib.request.Request(f"{server.otlp_http}/v1/traces", body, headers)).close()
        try:
            yield server
        finally:
            server.stop()


pytestmark = pytest.mark.processes


def test_the_page_is_there_with_its_twin(extended: Server) -> None:
    sizes: dict[str, Any] = eventually(lambda: (found := extended.get("/sizes.json"))["spans"] and found)
    assert sizes["spans"] == 2
    with urllib.request.urlopen(f"{extended.dashboard}/sizes") as answer:
        assert "2 spans in" in answer.read().decode()


def test_the_check_finds_what_it_looks_for(extended: Server) -> None:
    def found() -> list[str]:
        findings = extended.get("/findings.json")["findings"]
        return [each["title"] for each in findings if each["check"] == "unversioned-service"]

    assert eventually(found, PATIENCE_S) == ["pricing does not say its version"]


def test_the_output_takes_each_batch(extended: Server) -> None:
    said = extended.data / "said.txt"
    eventually(lambda: "the slowest of 2 spans took 3000 ms" in said.read_text())


def test_the_column_is_in_the_store(extended: Server) -> None:
    extended.stop()  # so that what is in hot files goes into a segment
    (segment,) = (extended.data / "segments").glob("*.spans.parquet")
    table = pq.read_table(segment, columns=["span_id", "is_root"])
    assert sorted(table["is_root"].to_pylist()) == [False, True]
