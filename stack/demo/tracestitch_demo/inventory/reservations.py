"""Reservations: goods are put aside at today's price until the customer has paid."""

from __future__ import annotations

import logging
import os
from typing import Any

import requests
from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from tracestitch_demo.inventory.models import Movement, Product, Reservation
from tracestitch_demo.problems import problem

routes = Blueprint("reservations", __name__)
logger = logging.getLogger(__name__)

PRICING_URL = os.environ.get("SHOP_PRICING_URL", "http://127.0.0.1:8803")


@routes.post("/reservations")
def reserve() -> ResponseReturnValue:
    order = request.get_json()
    quantities = {line["sku"]: line["quantity"] for line in order["lines"]}
    if not quantities or min(quantities.values()) < 1:
        return problem(400, "Nothing to reserve", "Each line needs a quantity of at least 1.")
    logger.info("Reserving %d products for %s", len(quantities), order["reference"])
    quote = _quote(order["reference"], quantities)
    with Session(current_app.config["CATALOGUE"]) as session, session.begin():
        products = session.scalars(select(Product).where(Product.sku.in_(quantities))).all()
        for product in products:
            product.units -= quantities[product.sku]
            session.add(Movement(product_id=product.id, units=-quantities[product.sku]))
        session.add(
            Reservation(reference=order["reference"], lines=len(products), total_cents=quote["total_cents"])
        )
        session.flush()  # pitfall: shared-database
    logger.info("Reserved %d products for %s", len(products), order["reference"])
    return {"reference": order["reference"], "total_cents": quote["total_cents"]}, 201


def _quote(reference: str, quantities: dict[str, int]) -> dict[str, Any]:
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    answer = requests.post(
        f"{PRICING_URL}/quotes", json={"reference": reference, "lines": lines}, timeout=(3.05, 10)
    )
    answer.raise_for_status()
    quote: dict[str, Any] = answer.json()
    return quote
