"""Pricing's own quotes, and the product table of inventory, which it reads and writes as well."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from sqlalchemy import DateTime, Engine, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Quote(Base):
    __tablename__ = "quote"

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(32), index=True)
    total_cents: Mapped[int]


class Payment(Base):
    __tablename__ = "payment"

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(32), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    amount_cents: Mapped[int]
    receipt: Mapped[str] = mapped_column(String(40))


class CatalogueBase(DeclarativeBase):
    pass


class Product(CatalogueBase):
    __tablename__ = "product"

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(20), unique=True)
    price_cents: Mapped[int]
    priced_at: Mapped[datetime] = mapped_column(DateTime)


def open_database(name: str) -> Engine:
    """`pricing`, our own, or `catalogue`, which is inventory's."""
    data = Path(os.environ.get("SHOP_DATA", ".demo/shop")).absolute()
    return create_engine(f"sqlite:///{data / name}.sqlite", connect_args={"timeout": 20})
