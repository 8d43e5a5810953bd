"""Carts, orders and the checkout."""
