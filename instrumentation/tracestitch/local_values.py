"""What the user's variables held when an exception was raised: only where TRACESTITCH_LOCALS=1 asks for it.

No code of the app runs for it: values of builtin types are written out within bounds, of all others the type alone.
Names that promise a secret, and what Django's `sensitive_variables` names, leave as REDACTED.
"""

import json
import sys
from collections.abc import Collection
from itertools import islice
from types import BuiltinFunctionType, FrameType, FunctionType, ModuleType, TracebackType
from typing import Any

from tracestitch.frames import frame_location, is_user_code
from tracestitch.safety import guard
from tracestitch.scrub import REDACTED, is_secret_key, scrub_text

MOST_FRAMES, MOST_NAMES, MOST_ITEMS, DEEPEST = 12, 24, 6, 3
LONGEST_TEXT, LONGEST_VALUE, LONGEST = 120, 240, 12_000
_UNTELLING = (ModuleType, FunctionType, BuiltinFunctionType, type)
_BRACKETS: dict[type, str] = {list: "[]", tuple: "()", set: "{}", frozenset: "{}"}
ALL = "__ALL__"
_READING = guard("locals at an exception")


class Switch:
    """Whether locals are wanted in this process; the agent turns it on at its start."""

    def __init__(self) -> None:
        self.on = False


SWITCH = Switch()


def of_exception(error: BaseException) -> str:
    """A JSON list of `{file, line, function, values}` of the user's frames, innermost last; empty without any."""
    found = [_frame_of(trace) for trace in _user_frames(error.__traceback__)]
    told = [frame for frame in found if frame is not None and frame["values"]]
    while told:
        text = json.dumps(told, separators=(",", ":"))
        if len(text) <= LONGEST:
            return text
        told = told[1:]
    return ""


def _user_frames(trace: TracebackType | None) -> list[TracebackType]:
    frames = []
    while trace is not None:
        if is_user_code(trace.tb_frame.f_code):
            frames.append(trace)
        trace = trace.tb_next
    return frames[-MOST_FRAMES:]


def _frame_of(trace: TracebackType) -> dict[str, Any] | None:
    with _READING:
        frame = trace.tb_frame
        hidden = _hidden_by_django(frame)
        place = frame_location(frame)
        return {
            "file": place.file,
            "line": trace.tb_lineno,
            "function": place.function,
            "values": _values(frame, hidden),
        }
    return None


def _values(frame: FrameType, hidden: Collection[str]) -> dict[str, str]:
    told: dict[str, str] = {}
    for name, value in list(frame.f_locals.items()):
        if name.startswith("__") or _is_untelling(value):
            continue
        if len(told) == MOST_NAMES:
            break
        secret = hidden is ALL or name in hidden or is_secret_key(name)
        told[name] = REDACTED if secret else _bounded(scrub_text(written(value)))
    return told


def _is_untelling(value: object) -> bool:
    kind = type(value)
    return kind is type or kind in _UNTELLING


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


def written(value: object, depth: int = 0) -> str:
    """Like `repr`, but of builtin types only, and never longer than a line or two."""
    kind = type(value)
    if kind is str:
        return _text(value)  # type: ignore[arg-type]  # just asked
    if kind is bool or value is None:
        return repr(value)
    if kind is int:
        return repr(value) if int.bit_length(value) <= 256 else "<int>"  # type: ignore[arg-type]  # just asked
    if kind is float or kind is complex:
        return repr(value)
    if kind is bytes or kind is bytearray:
        return repr(bytes(value[:LONGEST_TEXT])) + ("…" if len(value) > LONGEST_TEXT else "")  # type: ignore[index,arg-type]
    if depth < DEEPEST and kind is dict:
        return _dict(value, depth)  # type: ignore[arg-type]  # just asked
    if depth < DEEPEST and kind in _BRACKETS:
        return _collection(value, _BRACKETS[kind], depth)  # type: ignore[arg-type]  # just asked
    return f"<{_name_of(kind)}>"


def _text(value: str) -> str:
    return repr(scrub_text(value[: 4 * LONGEST_TEXT])[:LONGEST_TEXT]) + (
        "…" if len(value) > LONGEST_TEXT else ""
    )


def _dict(value: dict[Any, Any], depth: int) -> str:
    pairs = [_pair(key, item, depth) for key, item in islice(value.items(), MOST_ITEMS)]
    return "{" + ", ".join(pairs) + (", …}" if len(value) > MOST_ITEMS else "}")


def _collection(value: Collection[Any], brackets: str, depth: int) -> str:
    items = [written(item, depth + 1) for item in islice(value, MOST_ITEMS)]
    return brackets[0] + ", ".join(items) + (", …" if len(value) > MOST_ITEMS else "") + brackets[1]


def _pair(key: object, value: object, depth: int) -> str:
    secret = type(key) is str and is_secret_key(key)
    return f"{written(key, depth + 1)}: {REDACTED if secret else written(value, depth + 1)}"


def _name_of(kind: type) -> str:
    """Past any metaclass of the app."""
    module = type.__getattribute__(kind, "__module__")
    name = type.__getattribute__(kind, "__qualname__")
    return f"{module}.{name}" if type(module) is str and module != "builtins" else str(name)


def _hidden_by_django(frame: FrameType) -> Collection[str]:
    """The names that `sensitive_variables` was given, around this function or a caller of it."""
    debug = sys.modules.get("django.views.decorators.debug")
    if debug is None:
        return ()
    by_place = getattr(debug, "coroutine_functions_to_sensitive_variables", {})
    code = frame.f_code
    names = by_place.get(hash(f"{code.co_filename}:{code.co_firstlineno}"))
    caller: FrameType | None = frame
    while names is None and caller is not None:
        if caller.f_code.co_name == "sensitive_variables_wrapper":
            wrapper = caller.f_locals.get("sensitive_variables_wrapper")
            names = getattr(wrapper, "sensitive_variables", None)
        caller = caller.f_back
    if names == ALL:
        return ALL
    return frozenset(names or ())
