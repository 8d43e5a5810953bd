"""Fills an empty catalogue."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from tracestitch_demo.inventory.models import Base, Movement, Product, open_catalogue

PRODUCTS = 60
KINDS = ("lamp", "chair", "table", "shelf", "clock", "mirror")


def sku(number: int) -> str:
    """The number-th product's code, round and round."""
    return f"SKU-{number % PRODUCTS:03d}"


def seed() -> None:
    engine = open_catalogue()
    with engine.begin() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        for number in range(PRODUCTS):
            movements = [Movement(units=500_000), Movement(units=500_000)]
            name = f"{KINDS[number % len(KINDS)].capitalize()} {number}"
            session.add(
                Product(
                    sku=sku(number),
                    name=name,
                    units=1_000_000,
                    price_cents=1_000 + 37 * number,
                    movements=movements,
                )
            )


if __name__ == "__main__":
    seed()
