"""Which cells run, and the table of them in docs/agent-matrix.md, which UPDATE_DOCS=1 has rewritten."""

import os
from collections.abc import Generator

import pytest

from tests.matrix.cell import Cell
from tests.matrix.table import Result, rewrite

_RESULTS = pytest.StashKey[dict[str, Result]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Cells that are not quick run where `-m matrix` asks for them."""
    if "matrix" in config.option.markexpr:
        return
    slow = [
        item for item in items if item.get_closest_marker("matrix") and not item.get_closest_marker("quick")
    ]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    callspec = getattr(item, "callspec", None)
    cell = callspec.params.get("cell") if callspec is not None else None
    if isinstance(cell, Cell) and (call.when == "call" or report.outcome != "passed"):
        item.config.stash.setdefault(_RESULTS, {})[cell.id] = Result.of(report, cell)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    results = session.config.stash.get(_RESULTS, {})
    if results and os.environ.get("UPDATE_DOCS") == "1":
        from tests.matrix.test_matrix import CELLS

        rewrite(results, CELLS)
