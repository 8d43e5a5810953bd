"""The `except` clauses of compiled code: where each stands, which classes it takes, and what is done in it.

Read from the bytecode, by the names that it uses: the source may be out of reach, and nothing of the app runs.
"""

import dis
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

_MOST_HANDLERS = 20
# Whoever calls one of these in an `except` tells somebody of the error, though not by the standard library's logging.
_TELLERS = frozenset(
    {"capture_exception", "captureException", "capture_message", "print_exc", "print_exception", "format_exc"}
    | {
        "format_exception",
        "record_exception",
        "notice_error",
        "report_exc_info",
        "report_exception",
        "notify",
    }
    | {"exception", "excepthook"}
)
_LEVELS = frozenset({"warn", "warning", "error", "critical", "fatal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    line: int
    # Offsets of what it does: from the first instruction after its test up to the next clause.
    start: int
    end: int
    # Names of the classes it tests, and of the modules they are read from; none takes everything.
    tests: frozenset[str]
    raises: bool
    tells: bool

    def takes(self, kind: type[BaseException]) -> bool:
        return not self.tests or any(ancestor.__name__ in self.tests for ancestor in kind.__mro__)

    def holds(self, offset: int) -> bool:
        return self.start <= offset < self.end


@lru_cache(maxsize=1_000)
def clauses(code: CodeType, offset: int) -> tuple[Clause, ...]:
    """Those of the handler that starts at this offset; none of the end of a `with` or of a `finally`."""
    steps = [step for step in dis.get_instructions(code) if step.offset >= offset]
    found: list[Clause] = []
    tested: set[str] = set()
    at = 1 if steps and steps[0].opname == "PUSH_EXC_INFO" else 0
    while at < len(steps):
        step = steps[at]
        if step.opname == "CHECK_EXC_MATCH":
            end = _target(steps, at)
            found.append(_clause(steps, at, end, tested))
            tested = set()
            at = next((n for n, other in enumerate(steps) if other.offset >= end), len(steps))
            continue
        if step.opname == "POP_TOP" and not tested:
            found.append(_clause(steps, at, _end_of_bare(steps, at), tested))
            break
        if step.opname in ("RERAISE", "PUSH_EXC_INFO", "WITH_EXCEPT_START", "COPY"):
            break
        if step.opname.startswith("LOAD_"):
            tested.add(str(step.argval))
        at += 1
    return tuple(found)


@lru_cache(maxsize=1_000)
def around(code: CodeType, offset: int) -> tuple[tuple[Clause, ...], ...]:
    """The clauses of each `try` whose body holds this offset, innermost first."""
    return tuple(_around(code, offset))


def _around(code: CodeType, offset: int) -> Iterator[tuple[Clause, ...]]:
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]  # there from Python 3.11 on
    for _ in range(_MOST_HANDLERS):
        target = next((entry.target for entry in entries if entry.start <= offset < entry.end), None)
        if target is None:
            return
        offset = target
        found = clauses(code, offset)
        if found:
            yield found


@lru_cache(maxsize=1_000)
def first_line(code: CodeType, offset: int) -> int:
    """Of the handler that starts here, whatever it is."""
    lines = (_line(step) for step in dis.get_instructions(code) if step.offset >= offset)
    return next((line for line in lines if line), code.co_firstlineno)


def _clause(steps: Sequence[dis.Instruction], at: int, end: int, tested: set[str]) -> Clause:
    body = [step for step in steps[at + 1 :] if step.offset < end]
    used = {str(step.argval) for step in body if step.opname.startswith("LOAD_")}
    speaks = bool(used & _LEVELS) and any("log" in name.lower() for name in used)
    return Clause(
        line=_line(steps[at]) or 0,
        start=body[0].offset if body else end,
        end=end,
        tests=frozenset(tested),
        raises=any(step.opname == "RAISE_VARARGS" for step in body),
        tells=speaks or bool(used & _TELLERS),
    )


def _target(steps: Sequence[dis.Instruction], at: int) -> int:
    """Where the clause at this test is left when it does not take the error."""
    for step in steps[at + 1 : at + 4]:
        if step.opname.startswith("POP_JUMP"):
            return int(step.argval)
    return steps[-1].offset + 2


def _end_of_bare(steps: Sequence[dis.Instruction], at: int) -> int:
    later = (step.offset for step in steps[at:] if step.opname == "RERAISE")
    return next(later, steps[-1].offset + 2)


def _line(step: dis.Instruction) -> int | None:
    return step.positions.lineno if step.positions is not None else None
