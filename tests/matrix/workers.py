"""The cells of workers."""

from tests.matrix.cell import Cell

CELLS: tuple[Cell, ...] = ()
