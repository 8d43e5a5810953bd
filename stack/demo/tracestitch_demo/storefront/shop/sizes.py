"""How much there is in the demo's storefront: known to the seed and to the load program."""

from __future__ import annotations

CUSTOMERS = 80
BIG_CARTS, BIG = 5, 48
"""Carts for the cart pages, and the items in each."""
SMALL_CARTS, SMALL = 15, 3
"""Carts for the checkout, and the items in each."""
