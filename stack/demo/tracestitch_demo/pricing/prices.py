"""What a product costs."""

from __future__ import annotations

import logging
from typing import Any

from flask import Response, current_app, request
from flask_restful import Resource
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from tracestitch_demo.pricing.models import Product
from tracestitch_demo.problems import problem

logger = logging.getLogger(__name__)

TARIFF_PERCENT = 90
OFFER_PERCENT = 80


def price_of(sku: str) -> int:
    with Session(current_app.config["CATALOGUE"]) as session:
        product = session.scalar(select(Product).where(Product.sku == sku))
    if product is None:
        raise NotFound(f"There is no product {sku}.")  # pitfall: error-contract-drift
    return product.price_cents


class Price(Resource):
    def get(self, sku: str) -> dict[str, Any]:
        price_cents = price_of(sku)
        logger.info("Price of %s is %d cents", sku, price_cents)
        return {"sku": sku, "price_cents": price_cents}


class Prices(Resource):
    def get(self) -> dict[str, Any]:
        skus = request.args.get("skus", "").split(",")
        query = select(Product.sku, Product.price_cents).where(Product.sku.in_(skus))
        with Session(current_app.config["CATALOGUE"]) as session:
            prices = {row.sku: row.price_cents for row in session.execute(query)}
        logger.info("Prices of %d products", len(prices))
        return {"prices": prices}


class Tariff(Resource):
    def get(self, sku: str) -> dict[str, Any]:
        return {"sku": sku, "price_cents": price_of(sku) * TARIFF_PERCENT // 100}


class Offer(Resource):
    def get(self, sku: str) -> dict[str, Any]:
        return {"sku": sku, "price_cents": price_of(sku) * OFFER_PERCENT // 100}


class Voucher(Resource):
    def get(self, code: str) -> Response:
        logger.warning("Voucher %s was asked for while vouchers are being recalculated", code)
        return problem(503, "No vouchers now", "Vouchers are being recalculated.")
