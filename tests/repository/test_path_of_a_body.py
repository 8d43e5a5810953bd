"""The picture of ARCHITECTURE.md that says which way a request body goes, held to what is called when one goes it."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import tracestitch_collector
from tests.support.module_table import ROOT
from tests.support.otlp import otlp_span, trace_request
from tests.support.receiver import receiving
from tests.support.server import eventually
from tracestitch_collector import pipeline
from tracestitch_collector.settings import Settings
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import TraceQuery, Window

PACKAGE = ROOT / "collector" / "tracestitch_collector"
Step = tuple[str, str]
"""A file of the collector and a function in it."""


def picture() -> list[Step]:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    _, _, rest = text.partition("<!-- path of a body -->")
    block, _, _ = rest.partition("<!-- end of path -->")
    return re.findall(r"([\w/]+\.py) +((?:\w+\.)?\w+)  ", block)


@contextmanager
def recording(wanted: set[Step]) -> Iterator[list[Step]]:
    """Every call of these functions, in order, in this thread and in those that start meanwhile."""
    home = str(Path(tracestitch_collector.__file__).parent) + "/"
    calls: list[Step] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(home):
            step = code.co_filename[len(home) :], code.co_qualname
            if step in wanted:
                calls.append(step)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def send_and_find_one_trace(data: Path) -> None:
    span = otlp_span(start_ns=time.time_ns())
    with receiving(data) as receiver:
        answer = receiver.post(
            "/v1/traces", trace_request(span).SerializeToString(), content_type="application/x-protobuf"
        )
        assert answer.status == 200
    stop = threading.Event()
    thread = threading.Thread(target=pipeline.run, args=(Settings(data=data), stop))
    thread.start()
    try:
        eventually(lambda: any((data / "hot").glob("*")) or any((data / "segments").glob("*.parquet")))
    finally:
        stop.set()
        thread.join()
    store = EmbeddedStore(data, write=False)
    window = Window(start_ns=span.start_time_unix_nano, end_ns=span.start_time_unix_nano + 1)
    assert [found.trace_id for found in store.search(TraceQuery(window=window)).traces] == [
        span.trace_id.hex()
    ]
    store.close()


def test_every_file_and_function_of_the_picture_is_there() -> None:
    steps = picture()
    assert len(steps) > 10
    missing = [
        (file, function)
        for file, function in steps
        if not (PACKAGE / file).exists()
        or not re.search(rf"def {function.rpartition('.')[2]}\b", (PACKAGE / file).read_text())
    ]
    assert missing == []


def test_a_body_goes_the_way_of_the_picture(tmp_path: Path) -> None:
    steps = picture()
    with recording(set(steps)) as calls:
        send_and_find_one_trace(tmp_path)
    at = 0
    for step in steps:
        if step not in calls[at:]:
            pytest.fail(
                f"{step} is not called after {calls[at - 1]}: the picture in ARCHITECTURE.md is wrong"
            )
        at = calls.index(step, at) + 1
