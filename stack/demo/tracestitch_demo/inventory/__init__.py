"""Inventory: what is in stock and who has reserved it. Flask and SQLAlchemy."""
