"""debug-exposed: debug outside a developer's machine."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.support.evidence import found, inventory
from tracestitch_collector.checks import debug_exposed
from tracestitch_collector.checks.finding import Location
from tracestitch_collector.model import AttributeValue

HERE: Mapping[str, AttributeValue] = {"file": "/srv/inventory/app.py", "line": 34, "function": "<module>"}


def test_the_debugger_in_staging_is_critical_and_has_its_line() -> None:
    (finding,) = found(
        debug_exposed,
        inventories=[
            inventory(
                "inventory",
                "staging",
                framework={"name": "flask", "version": "3.1"},
                security={"debug": True, "debugger_active": True},
                debug_location=HERE,
            )
        ],
    )
    assert finding.title == "inventory runs its interactive debugger in staging"
    assert (finding.severity, finding.tier) == ("critical", "A")
    assert finding.location == Location(file="app.py", line=34, function="<module>")
    assert "app.run(debug=True)  # app.py:34" in finding.fix.before


def test_debug_alone_is_important_and_django_is_answered_in_its_words() -> None:
    (finding,) = found(
        debug_exposed,
        inventories=[inventory("shop", "production", framework={"name": "django"}, security={"debug": True})],
    )
    assert (finding.severity, finding.location) == ("important", None)
    assert "DJANGO_DEBUG" in finding.fix.after


@pytest.mark.parametrize("environment", ["", "development", "Dev", "local", "test", "demo"])
def test_on_a_developers_machine_debug_is_what_it_is_for(environment: str) -> None:
    known = [inventory("inventory", environment, security={"debug": True, "debugger_active": True})]
    assert found(debug_exposed, inventories=known) == ()


def test_a_process_that_was_restarted_without_debug_is_mended() -> None:
    known = [
        inventory("inventory", "staging", instance="old", at=1, security={"debug": True}),
        inventory("inventory", "staging", instance="new", at=2, security={"debug": False}),
    ]
    assert found(debug_exposed, inventories=known) == ()


def test_a_debug_server_that_is_gone_keeps_nothing_open() -> None:
    days_ago = -2 * 86_400 * 10**9
    assert (
        found(
            debug_exposed,
            inventories=[inventory("inventory", "staging", at=days_ago, security={"debug": True})],
        )
        == ()
    )


def test_one_of_two_hosts_is_counted_as_one_of_two() -> None:
    known = [
        inventory("inventory", "staging", host="a", security={"debug": True}),
        inventory("inventory", "staging", host="b", security={"debug": False}),
    ]
    (finding,) = found(debug_exposed, inventories=known)
    assert (finding.affected, finding.eligible) == (1, 2)


def test_a_comment_at_the_line_suppresses_it() -> None:
    known = [
        inventory(
            "inventory",
            "staging",
            security={"debug": True},
            debug_location={**HERE, "tracestitch.ignore": ("debug-exposed behind the VPN",)},
        )
    ]
    (finding,) = found(debug_exposed, inventories=known)
    assert finding.suppressed_by == "behind the VPN"


def test_only_a_plain_true_counts() -> None:
    known = [inventory("a", "staging", security={"debug": "true"}), inventory("b", "staging", security=1)]
    assert found(debug_exposed, inventories=known) == ()
