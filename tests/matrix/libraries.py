"""The cells of libraries."""

from tests.matrix.cell import Cell

CELLS: tuple[Cell, ...] = ()
