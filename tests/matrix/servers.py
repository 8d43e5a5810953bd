"""The cells of servers."""

from tests.matrix.cell import Cell

CELLS: tuple[Cell, ...] = ()
