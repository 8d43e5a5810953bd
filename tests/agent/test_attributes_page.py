"""docs/attributes.md names what the agent sends, all of it and nothing else."""

import ast
import re
from collections.abc import Iterator

from tests.support.agent import REPOSITORY

PAGE = REPOSITORY / "docs" / "attributes.md"
AGENT = REPOSITORY / "instrumentation" / "tracestitch"
NAMES = re.compile(
    r"(?:tracestitch|http|url|db|code|server|client|messaging|exception|error|network|user_agent|service|telemetry"
    r"|host|process|deployment|thread)\.[a-z_]+(?:\.[a-z_]+)*"
)
# Strings of this shape that are no attributes: modules, loggers, and what is only read.
NOT_SENT = re.compile(
    r"tracestitch\.(?:[a-z_]+|commands)|http\.(?:client|server)|db\.sqlite3|http\.(?:response\.(?:start|body)|disconnect)"
    r"|exception\.[a-z]+_handler|deployment\.environment|server\.py"
)
SENT_ALL_THE_SAME = {"tracestitch.ignore", "tracestitch.inventory"}


def strings_of_the_agent() -> Iterator[str]:
    for file in sorted(AGENT.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def names_in_the_code() -> set[str]:
    found = {text for text in strings_of_the_agent() if NAMES.fullmatch(text)}
    return {name for name in found if name in SENT_ALL_THE_SAME or not NOT_SENT.fullmatch(name)}


def names_on_the_page() -> set[str]:
    names: set[str] = set()
    last = ""
    for quoted in re.findall(r"`([^`\s]+)`", PAGE.read_text()):
        # `telemetry.sdk.name`, `.language`, `.version` share their beginning.
        name = f"{last.rpartition('.')[0]}{quoted}" if quoted.startswith(".") and last else quoted
        if NAMES.fullmatch(name):
            names.add(name)
            last = name
    return names


def test_every_attribute_in_the_code_is_on_the_page() -> None:
    assert names_in_the_code() - names_on_the_page() == set()


def test_every_attribute_on_the_page_is_in_the_code() -> None:
    missing = {name for name in names_on_the_page() - names_in_the_code() if not NOT_SENT.fullmatch(name)}

    # These come in by OTEL_RESOURCE_ATTRIBUTES alone.
    assert missing - {"service.version", "service.namespace"} == set()


def test_the_page_is_read_at_all() -> None:
    assert {
        "http.route",
        "tracestitch.ignore",
        "telemetry.sdk.language",
    } <= names_on_the_page() & names_in_the_code()
