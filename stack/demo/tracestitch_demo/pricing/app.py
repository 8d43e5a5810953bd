"""The pricing service: its resources and their routes."""

from __future__ import annotations

import logging

from flask import Flask
from flask_restful import Api

from tracestitch_demo.pricing import payments, prices, quotes
from tracestitch_demo.pricing.models import Base, open_database

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")

app = Flask("tracestitch_demo.pricing")
app.config["CATALOGUE"] = open_database("catalogue")
app.config["PRICING"] = open_database("pricing")
Base.metadata.create_all(app.config["PRICING"])

api = Api(app)
api.add_resource(prices.Price, "/prices/<sku>")
api.add_resource(prices.Prices, "/prices")
api.add_resource(prices.Tariff, "/tariffs/<sku>")
api.add_resource(prices.Offer, "/offers/<sku>")
api.add_resource(prices.Voucher, "/vouchers/<code>")
api.add_resource(quotes.Quotes, "/quotes")
api.add_resource(payments.Charges, "/charges")
api.add_resource(payments.Refunds, "/refunds")
