"""What is in stock."""

from __future__ import annotations

import logging

from flask import Blueprint, abort, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tracestitch_demo.inventory.models import Movement, Product

routes = Blueprint("stock", __name__)
logger = logging.getLogger(__name__)


@routes.get("/stock")
def listing() -> ResponseReturnValue:
    with Session(current_app.config["CATALOGUE"]) as session:
        stock = []
        for product in session.scalars(select(Product).order_by(Product.id)):
            units = sum(movement.units for movement in product.movements)  # pitfall: n-plus-one-db
            stock.append({"sku": product.sku, "units": units})
    logger.info("Listed the stock of %d products", len(stock))
    return {"stock": stock}


@routes.get("/stock/summary")
def summary() -> ResponseReturnValue:
    units = func.sum(Movement.units)
    query = select(Product.sku, Product.name, units).join(Movement).group_by(Product.id).order_by(Product.id)
    with Session(current_app.config["CATALOGUE"]) as session:
        products = [{"sku": sku, "name": name, "units": total} for sku, name, total in session.execute(query)]
    logger.info("Summed up the stock of %d products", len(products))
    return {"products": products}


@routes.get("/stock/<sku>")
def one(sku: str) -> ResponseReturnValue:
    with Session(current_app.config["CATALOGUE"]) as session:
        product = session.scalar(select(Product).where(Product.sku == sku))
        if product is None:
            abort(404, f"no product {sku}")  # pitfall: error-contract-drift
        return {"sku": product.sku, "units": product.units}
