"""The catalogue: products, the movements of their stock, and reservations."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import DateTime, Engine, ForeignKey, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Product(Base):
    __tablename__ = "product"

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(20), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    units: Mapped[int]
    price_cents: Mapped[int]
    priced_at: Mapped[datetime] = mapped_column(DateTime, default=lambda: datetime.now(UTC))
    movements: Mapped[list[Movement]] = relationship(back_populates="product")


class Movement(Base):
    """Goods that came in (positive) or went out."""

    __tablename__ = "movement"

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    units: Mapped[int]
    product: Mapped[Product] = relationship(back_populates="movements")


class Reservation(Base):
    __tablename__ = "reservation"

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(32), index=True)
    lines: Mapped[int]
    total_cents: Mapped[int]


def open_catalogue() -> Engine:
    data = Path(os.environ.get("SHOP_DATA", ".demo/shop")).absolute()
    return create_engine(f"sqlite:///{data / 'catalogue.sqlite'}", connect_args={"timeout": 20})
