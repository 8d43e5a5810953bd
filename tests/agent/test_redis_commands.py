"""What of a Redis command leaves the process."""

import pytest

from tracestitch.redis_commands import pattern, told


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("cart:17", "cart:?"),
        ("user:anna:line_items", "user:?:line_items"),
        (":1:views.anna", ":?:views.?"),
        ("0f9c7a62-1b7e-4f43-a8a5-0a8a2f5f3c11", "?"),
        ("anna@example.org", "?.?"),
        ("", ""),
    ],
)
def test_a_key_keeps_its_first_word_and_what_looks_like_code(key: str, expected: str) -> None:
    assert pattern(key) == expected


@pytest.mark.parametrize(
    "command",
    [
        ("AUTH", "hunter2"),
        ("AUTH", "anna", "hunter"),
        ("EVAL", "return redis.call('get', 'hunter')", 0),
        ("CONFIG SET", "requirepass", "hunter"),
        ("HELLO", 3, "AUTH", "anna", "hunter"),
        ("PUBLISH", "anna", "hunter"),
        ("ECHO", "hunter"),
        ("hunter's secret command", "hunter"),
        ("SET", b"anna\xff:hunter", "hunter"),
    ],
)
def test_nothing_but_the_name_and_the_pattern_is_told(command: tuple[object, ...]) -> None:
    [text] = told([command])
    assert "hunter" not in text
    assert "anna" not in text


def test_a_pipeline_tells_each_command_once_and_no_more_than_twenty() -> None:
    loop = [("GET", f"item:{number}") for number in range(500)]
    assert told([*loop, ("INCR", "visits")]) == ["GET item:?", "INCR visits"]
    assert len(told([("GET", f"{'a' * (number + 1)}:1") for number in range(30)])) == 20
