"""A sampling profiler for slow requests: only where TRACESTITCH_PROFILER=1 asks for it.

One thread looks at the stacks of the threads that serve a request, every 20 ms and only while there is one. Stacks of
requests that turn out slow go out on their server span; all others are thrown away.
"""

import json
import os
import sys
import time
from _thread import get_ident, start_new_thread
from collections import Counter
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

from opentelemetry.trace import Span

from tracestitch.frames import BOUNDARY_FILE, file_location, is_user_code
from tracestitch.safety import guard
from tracestitch.scrub import scrub_text

ATTRIBUTE = "tracestitch.profile"
LONGEST = 15_000
DEEPEST = 100
MOST_STACKS = 2_000
_PROFILING = guard("the profiler")
_sleep = time.sleep  # the original, whatever gevent makes of it later

Line = tuple[CodeType, int]


class Recording:
    """The stacks of one request, and how often each was seen."""

    __slots__ = ("samples", "span", "stacks", "started_s")

    def __init__(self, span: Span, started_s: float) -> None:
        self.span = span
        self.started_s = started_s
        self.samples = 0
        self.stacks: Counter[tuple[Line, ...]] = Counter()


class Profiler:
    def __init__(self) -> None:
        self.on = False
        self._threshold_s = 0.5
        self._interval_s = 0.02
        self._running: dict[int, list[Recording]] = {}
        self._process = 0

    def enable(self, threshold_s: float, interval_s: float) -> None:
        self.on, self._threshold_s, self._interval_s = True, threshold_s, interval_s

    def began(self, span: Span) -> None:
        if self._process != os.getpid():  # the first request, or the first after a fork
            self._process = os.getpid()
            self._running = {}
            start_new_thread(self._watch, ())
        recording = Recording(span, time.monotonic())
        self._running.setdefault(get_ident(), []).append(recording)

    def ended(self, span: Span) -> None:
        """Call it before the span ends, on whatever thread."""
        for thread, recordings in list(self._running.items()):
            for recording in recordings:
                if recording.span is span:
                    recordings.remove(recording)
                    if not recordings:
                        self._running.pop(thread, None)
                    self._tell(recording)
                    return

    def _tell(self, recording: Recording) -> None:
        if recording.stacks and time.monotonic() - recording.started_s >= self._threshold_s:
            recording.span.set_attribute(ATTRIBUTE, written(recording, self._interval_s))

    def _watch(self) -> None:
        with _PROFILING:  # what fails here ends it: a thread may not end with an exception
            process = self._process
            while self._process == process and os.getpid() == process:
                _sleep(self._interval_s)
                if self._running:
                    with _PROFILING:
                        self._sample(sys._current_frames())

    def _sample(self, frames: dict[int, FrameType]) -> None:
        for thread, recordings in list(self._running.items()):
            # Of several requests that share a thread, nobody can tell whose stack this is.
            frame = frames.get(thread) if len(recordings) == 1 else None
            if frame is not None:
                recording = recordings[0]
                stack = stack_of(frame)
                recording.samples += bool(stack)
                if stack and (stack in recording.stacks or len(recording.stacks) < MOST_STACKS):
                    recording.stacks[stack] += 1


# One process has one profiler, as it has one sys._current_frames().
PROFILER = Profiler()


def stack_of(frame: FrameType | None) -> tuple[Line, ...]:
    """From the outermost frame inside the server's or the worker's call to the innermost."""
    lines: list[Line] = []
    while frame is not None and not _is_outside(frame.f_code.co_filename):
        lines.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return tuple(reversed(lines[:DEEPEST]))


@lru_cache(maxsize=10_000)
def _is_outside(file: str) -> bool:
    """What serves the request, or hands the task on."""
    return file == BOUNDARY_FILE or file.replace("\\", "/").endswith("celery/app/trace.py")


def written(recording: Recording, interval_s: float) -> str:
    """JSON: `frames` of `[file, line, function, in_app]`, and `stacks` of `[samples, [frame, …]]`, outermost first.

    What was seen least is left out where all of it would be too long."""
    stacks = recording.stacks.most_common()
    while True:
        text = _json(stacks, recording.samples, interval_s)
        if len(text) <= LONGEST or len(stacks) <= 1:
            return text if len(text) <= LONGEST else ""
        stacks = stacks[: len(stacks) * 3 // 4]


def _json(stacks: list[tuple[tuple[Line, ...], int]], samples: int, interval_s: float) -> str:
    numbers: dict[Line, int] = {}
    told = [[count, [numbers.setdefault(line, len(numbers)) for line in stack]] for stack, count in stacks]
    body: dict[str, Any] = {
        "interval_ms": round(interval_s * 1_000, 1),
        "samples": samples,
        "frames": [_frame(code, line) for code, line in numbers],
        "stacks": told,
    }
    return json.dumps(body, separators=(",", ":"))


def _frame(code: CodeType, line: int) -> list[str | int]:
    place = file_location(code.co_filename, line, code.co_qualname)
    return [scrub_text(place.file), line, scrub_text(code.co_qualname), int(is_user_code(code))]
