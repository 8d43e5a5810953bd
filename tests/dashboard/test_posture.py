"""What the page of a service says of its newest process."""

from tests.support.evidence import inventory
from tracestitch_dashboard import posture


def test_open_routes_warnings_and_the_clock_are_told() -> None:
    old = inventory("shop", at=1, deploy_checks=("security.W001",))
    new = inventory(
        "shop",
        at=2,
        routes=(
            {"rule": "/till", "methods": ("POST",), "guards": ("login_required",)},
            {"rule": "/open", "methods": ("GET", "POST")},
        ),
        deploy_checks=("security.W004", "security.W008"),
        unapplied_migrations=("shop.0002_price",),
        clock={"time_zone": "UTC"},
        clock_offset_ms=-1500.0,
        process={"threads": 3, "gc_collections": 1200},
        server={"workers": 4},
    )

    lines = {line.name: line for line in posture.of([new, old])}

    assert (lines["Routes"].shown, lines["Routes"].warns) == (("GET, POST /open",), False)
    assert lines["Routes"].text.startswith("1 of 2 ask")
    assert (lines["Deploy checks"].shown, lines["Deploy checks"].warns) == (
        ("security.W004", "security.W008"),
        True,
    )
    assert lines["Migrations"].shown == ("shop.0002_price",)
    assert (lines["Clock"].text, lines["Clock"].warns) == ("UTC, 1,500 ms behind the collector's", True)
    assert lines["Process"].text == "1,200 garbage collections · 3 threads · 4 workers when it was told"


def test_a_process_that_says_nothing_of_the_kind_has_no_lines() -> None:
    assert posture.of([inventory("shop")]) == ()
    assert posture.of([]) == ()


def test_values_of_other_kinds_are_left_out() -> None:
    odd = inventory("shop", routes="all", deploy_checks=3, clock_offset_ms="late", process=(), server="x")

    assert posture.of([odd]) == ()
