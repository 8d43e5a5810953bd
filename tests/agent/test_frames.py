"""Which code is the user's, and which line of it led here."""

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import line_of
from tracestitch import frames
from tracestitch.frames import CodeLocation, CodeMap

SITE = os.sep.join(["", "venv", "lib", "python3.11", "site-packages", ""])
_LIBRARY, _USER, _BOUNDARY, _TEMPLATE = 0, 1, 2, 3


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/srv/shop/views.py", _USER),
        ("views.py", _USER),
        (SITE + "requests/api.py", _LIBRARY),
        (SITE + "shop/views.py", _USER),
        (SITE + "shop_extras/views.py", _LIBRARY),
        (SITE + "single.py", _USER),
        (SITE + "company/billing/views.py", _USER),
        (SITE + "company/other/views.py", _LIBRARY),
        (SITE + "django/core/handlers/base.py", _BOUNDARY),
        (SITE + "django/template/base.py", _TEMPLATE),
        ("/usr/lib/python3/dist-packages/yaml/__init__.py", _LIBRARY),
        (os.__file__, _LIBRARY),
        ("<frozen importlib._bootstrap>", _LIBRARY),
        ("<string>", _LIBRARY),
        (frames.__file__, _LIBRARY),
        (os.path.join(os.path.dirname(frames.__file__), "server.py"), _BOUNDARY),
        (os.path.join(os.path.dirname(sys.executable), "gunicorn"), _LIBRARY),
    ],
)
def test_files_are_told_apart(file: str, expected: int) -> None:
    assert CodeMap(["shop", "single", "company.billing"], "/srv").kind(file) == expected


def test_a_package_that_turns_out_to_be_the_apps_own_is_looked_at_again() -> None:
    code = CodeMap([], "/srv")
    assert code.kind(SITE + "shop/views.py") == _LIBRARY

    code.add_package("shop.settings")

    assert code.kind(SITE + "shop/views.py") == _USER


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["celery", "-A", "shop.tasks", "worker"], {"shop", "worker"}),
        (["gunicorn", "shop.wsgi:application", "-b", "127.0.0.1:80"], {"shop"}),
        (["flask", "--app=shop.web", "run"], {"shop", "run"}),
        (["-m", "celery", "--help"], set()),
    ],
)
def test_the_command_line_names_the_apps_package(arguments: list[str], expected: set[str]) -> None:
    assert frames.named_by_the_process({}, arguments) == expected
    assert frames.named_by_the_process({"DJANGO_SETTINGS_MODULE": "site.settings"}, []) == {"site"}


def test_paths_are_absolute_from_where_the_app_was_started() -> None:
    assert CodeMap([], "/srv/shop").location("app.py", 3, "main") == CodeLocation(
        file="/srv/shop/app.py", line=3, function="main"
    )


def test_the_innermost_line_of_user_code_is_found_through_library_code() -> None:
    def called(*_: Any) -> Any:
        return frames.user_frame(1)  # skips this very frame

    found: Any = functools.reduce(called, [1, 2])  # the line that counts

    assert isinstance(found, CodeLocation)
    assert found.file == __file__
    assert found.line == line_of(Path(__file__), "# the line that " + "counts")
    assert found.function.endswith("test_the_innermost_line_of_user_code_is_found_through_library_code")


def test_the_attributes_of_a_location_are_those_of_the_table() -> None:
    location = CodeLocation(file="/srv/a.py", line=3, function="a.b")

    assert frames.location_attributes(location) == {
        "code.file.path": "/srv/a.py",
        "code.line.number": 3,
        "code.function.name": "a.b",
    }


def test_an_exceptions_frames_run_from_the_outermost_to_the_innermost() -> None:
    def breaks() -> None:
        json.loads("{")

    with pytest.raises(ValueError) as caught:
        breaks()

    listed = json.loads(frames.exception_frames(caught.value))
    assert [frame["in_app"] for frame in listed] == [True, True, False, False, False]
    assert listed[1]["file"] == __file__
    assert listed[1]["line"] == line_of(Path(__file__), 'json.loads("{"' + ")")
    assert listed[1]["function"].endswith("breaks")
    location = frames.exception_location(caught.value)
    assert location is not None
    assert location.line == listed[1]["line"]


def test_a_deep_exception_keeps_its_ends() -> None:
    def deep(depth: int) -> int:
        return deep(depth - 1) if depth else 1 // 0

    with pytest.raises(ZeroDivisionError) as caught:
        deep(300)

    listed = json.loads(frames.exception_frames(caught.value))
    assert len(listed) == 60
    assert listed[0]["function"].endswith("test_a_deep_exception_keeps_its_ends")
    assert listed[-1]["function"].endswith("deep")


def decorated(function: Callable[[], int]) -> Callable[[], int]:
    @functools.wraps(function)
    def inner() -> int:
        return function()

    return inner


@decorated
@functools.lru_cache
def view() -> int:  # the view's line
    return 1


def test_a_view_is_found_at_its_def_beneath_its_decorators() -> None:
    location = frames.function_location(functools.partial(view))

    assert location is not None
    assert (location.file, location.line) == (__file__, line_of(Path(__file__), "# the view's " + "line"))
    assert location.function.endswith(".view")


def test_what_has_no_code_has_no_location() -> None:
    assert frames.function_location(len) is None


def test_a_walk_through_25_library_frames_is_cheap() -> None:
    namespace: dict[str, Any] = {"user_frame": frames.user_frame}
    source = "def deep(n):\n    return deep(n - 1) if n else user_frame()\n"
    exec(compile(source, SITE + "library.py", "exec"), namespace)
    deep = namespace["deep"]
    deep(25)

    best = min(_seconds(lambda: deep(25)) for _ in range(20)) / 200

    assert best < 40e-6  # measured 3 µs with the calls; generous, since the machine is noisy


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(200):
        function()
    return time.perf_counter() - start
