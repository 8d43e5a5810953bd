"""The limits of database connections, as drivers are given them."""

from collections.abc import Mapping

import pytest

from tracestitch.timeouts import of_connection


@pytest.mark.parametrize(
    ("system", "parameters", "expected"),
    [
        ("postgresql", {}, {}),
        ("postgresql", {"connect_timeout": "4"}, {"connect_s": 4.0}),
        ("postgresql", {"connect_timeout": 0}, {}),
        ("postgresql", {"options": "-c search_path=shop -c statement_timeout=1500"}, {"statement_s": 1.5}),
        ("postgresql", {"options": "-c statement_timeout=5s"}, {"statement_s": 5.0}),
        ("postgresql", {"options": "-c statement_timeout=0"}, {}),
        ("postgresql", {"timeout": 60, "command_timeout": 2}, {"connect_s": 60.0, "statement_s": 2.0}),
        ("postgresql", {"server_settings": {"statement_timeout": "2min"}}, {"statement_s": 120.0}),
        ("mysql", {"connect_timeout": 10, "read_timeout": 3}, {"connect_s": 10.0, "read_s": 3.0}),
        ("sqlite", {"timeout": 5}, {"lock_s": 5.0}),
        ("mysql", {"connect_timeout": "soon", "read_timeout": object()}, {}),
    ],
)
def test_each_limit_is_told_in_seconds(
    system: str, parameters: Mapping[str, object], expected: Mapping[str, float]
) -> None:
    told = {f"tracestitch.timeout.{name}": limit for name, limit in expected.items()}
    assert of_connection(system, parameters) == told
