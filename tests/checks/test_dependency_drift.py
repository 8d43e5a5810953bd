"""dependency-drift compares what processes said they run on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support import evidence
from tests.support.evidence import inventory
from tests.support.traces import TraceBuilder
from tracestitch_collector.checks import dependency_drift
from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.store.store import Inventory


def found(inventories: Sequence[Inventory]) -> tuple[Finding, ...]:
    """What is found where all of the services were seen in one trace."""
    builder = TraceBuilder()
    for service in sorted({one.service for one in inventories}):
        builder.server(service, "/", service=service)
    return evidence.found(dependency_drift, [builder.build()], inventories)


def test_another_minor_of_flask_in_one_of_three_services_is_found() -> None:
    inventories = [
        inventory("pricing", packages={"flask": "3.0.3", "click": "8.1.7"}),
        inventory("inventory", environment="staging", packages={"flask": "3.1.2", "click": "8.1.7"}),
        inventory("accounts", packages={"flask": "3.1.0"}),
    ]
    (finding,) = found(inventories)
    assert finding.title == "flask 3.0.3 in pricing, 3.1.2 in inventory, and 1 more version"
    assert (finding.service, finding.severity, finding.location) == ("pricing", "important", None)
    assert (finding.affected, finding.eligible) == (2, 3)
    assert ("inventory", "flask 3.1.2") in finding.details
    assert "flask==3.1.2" in finding.fix.after


def test_another_major_of_any_package_is_found() -> None:
    inventories = [
        inventory("a", packages={"pillow": "9.5.0"}),
        inventory("b", packages={"pillow": "11.0.0"}),
    ]
    (finding,) = found(inventories)
    assert finding.title == "pillow 9.5.0 in a, 11.0.0 in b"
    assert finding.severity == "normal"


@pytest.mark.parametrize(
    ("package", "one", "other"),
    [
        pytest.param("flask", "3.1.0", "3.1.2", id="patch"),
        pytest.param("pillow", "11.0", "11.3", id="minor of any package"),
        pytest.param("certifi", "2024.7.4", "2025.1.1", id="versions by date"),
        pytest.param("attrs", "23.1", "25.3", id="short versions by date"),
        pytest.param("pip", "9.0", "24.0", id="a tool"),
        pytest.param("pytest-django", "3.0", "4.9", id="a tool's plug-in"),
        pytest.param("odd", "unknown", "1.0", id="no number"),
    ],
)
def test_differences_that_mean_nothing_are_left_alone(package: str, one: str, other: str) -> None:
    inventories = [inventory("a", packages={package: one}), inventory("b", packages={package: other})]
    assert found(inventories) == ()


def test_a_package_that_only_one_service_has_is_no_drift() -> None:
    inventories = [inventory("a", packages={"flask": "3.1"}), inventory("b", packages={"django": "5.2"})]
    assert found(inventories) == ()


def test_what_a_service_ran_on_before_it_was_upgraded_is_forgotten() -> None:
    inventories = [
        inventory("a", packages={"flask": "3.0"}, at=1, instance="old"),
        inventory("a", packages={"flask": "3.1"}, at=2, instance="new"),
        inventory("b", packages={"flask": "3.1"}),
    ]
    assert found(inventories) == ()


def test_copies_of_one_release_with_different_packages_are_critical() -> None:
    inventories = [
        inventory("a", "production", version="1.2", instance="1", packages={"idna": "3.6"}),
        inventory("a", "production", version="1.2", instance="2", packages={"idna": "3.7"}),
    ]
    (finding,) = found(inventories)
    assert finding.severity == "critical"
    assert finding.title == "Copies of a 1.2 run on different packages: idna"
    assert finding.details == (("idna", "3.6 · 3.7"),)


def test_releases_that_differ_and_releases_that_are_unknown_are_no_copies() -> None:
    inventories = [
        inventory("a", "production", version="1.2", instance="1", packages={"idna": "3.6"}),
        inventory("a", "production", version="1.3", instance="2", packages={"idna": "3.7"}),
        inventory("b", "production", instance="3", packages={"six": "1.15"}),
        inventory("b", "production", instance="4", packages={"six": "1.16"}),
        inventory("c", "dev", version="1", instance="5", packages={"six": "1.15"}),
        inventory("c", "dev", version="1", instance="6", packages={"six": "1.16"}),
    ]
    assert found(inventories) == ()


def test_an_inventory_of_nonsense_is_passed_over() -> None:
    inventories = [
        inventory("a", packages="everything"),
        inventory("b", packages={"flask": 3, "x": None}),
        inventory("c", packages={"flask": "9" * 5000}),
        inventory("d"),
    ]
    assert found(inventories) == ()


def test_a_service_that_was_switched_off_days_ago_drifts_no_more() -> None:
    day_ns = 86_400 * 10**9
    inventories = [
        inventory("a", packages={"flask": "3.0"}, at=-2 * day_ns),
        inventory("b", packages={"flask": "3.1"}),
    ]
    assert found(inventories) == ()


def test_apps_that_only_share_a_collector_owe_each_other_nothing() -> None:
    inventories = [inventory("shop", packages={"flask": "3.0"}), inventory("blog", packages={"flask": "3.1"})]
    apart = [TraceBuilder("one"), TraceBuilder("two")]
    apart[0].server("shop", "/", service="shop")
    apart[1].server("blog", "/", service="blog")
    traces = [builder.build() for builder in apart]
    assert evidence.found(dependency_drift, traces, inventories) == ()
    (finding,) = found(inventories)
    assert finding.title.startswith("flask")
