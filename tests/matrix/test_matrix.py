"""Every cell of the matrix. `make test` runs the quick ones, `make test-agent` all."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.matrix import commands, libraries, servers, workers
from tests.matrix.cell import Cell, NotInstallable, Place
from tests.matrix.readings import Readings, collecting

CELLS = (*servers.CELLS, *commands.CELLS, *workers.CELLS, *libraries.CELLS)


def as_parameter(cell: Cell) -> object:
    marks = [pytest.mark.matrix, pytest.mark.processes]
    if cell.quick:
        marks.append(pytest.mark.quick)
    return pytest.param(cell, id=cell.id, marks=marks)


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readings]:
    with collecting(tmp_path_factory.mktemp("collector")) as found:
        yield found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cell", [as_parameter(cell) for cell in CELLS])
def test_the_cell_is_green(
    cell: Cell, readings: Readings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    try:
        python = cell.environment.build()
    except NotInstallable as why:
        pytest.skip(f"not installable: {why}")
    if cell.why_red:
        request.applymarker(pytest.mark.xfail(reason=cell.why_red, strict=True))
    service = re.sub(r"[^a-z0-9]+", "-", cell.id.lower()).strip("-")
    cell.run(Place(python=python, folder=tmp_path, service=service, readings=readings))


def test_no_two_cells_share_a_name_and_the_quick_ones_need_no_installation() -> None:
    ids = [cell.id for cell in CELLS]
    assert sorted(set(ids)) == sorted(ids)
    assert {cell.environment.name for cell in CELLS if cell.quick} <= {"development"}
