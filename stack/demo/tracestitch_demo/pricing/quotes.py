"""Quotes: a total for some products, and the prices that demand moves."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from flask import Response, current_app, request
from flask_restful import Resource
from sqlalchemy import select
from sqlalchemy.orm import Session

from tracestitch_demo.pricing.models import Product, Quote
from tracestitch_demo.problems import problem

logger = logging.getLogger(__name__)

STEP_CENTS = 1
HIGHEST_CENTS = 9_900


class Quotes(Resource):
    def post(self) -> tuple[dict[str, Any], int] | Response:
        order = request.get_json()
        quantities = {line["sku"]: line["quantity"] for line in order["lines"]}
        if not quantities:
            return problem(400, "Nothing to quote", "A quote needs at least one line.")
        total_cents = self._total(quantities)
        with Session(current_app.config["PRICING"]) as session, session.begin():
            session.add(Quote(reference=order["reference"], total_cents=total_cents))
        logger.info("Quoted %d cents for %s", total_cents, order["reference"])
        return {"reference": order["reference"], "total_cents": total_cents}, 201

    def _total(self, quantities: dict[str, int]) -> int:
        with Session(current_app.config["CATALOGUE"]) as session, session.begin():
            products = session.scalars(select(Product).where(Product.sku.in_(quantities))).all()
            total_cents = sum(product.price_cents * quantities[product.sku] for product in products)
            for product in products:
                product.price_cents = min(HIGHEST_CENTS, product.price_cents + STEP_CENTS)
                product.priced_at = datetime.now(UTC)
            session.flush()  # pitfall: shared-database
        logger.info("Demand moved the prices of %d products", len(products))
        return total_cents
