"""Charges and refunds, by way of the payment provider."""

from __future__ import annotations

import logging
import os
from typing import Any

import requests
from flask import current_app, request
from flask_restful import Resource
from sqlalchemy.orm import Session

from tracestitch_demo.pricing.models import Payment

logger = logging.getLogger(__name__)

PAYMENT_URL = os.environ.get("SHOP_PAYMENT_URL", "http://127.0.0.1:8805")


class Charges(Resource):
    def post(self) -> tuple[dict[str, Any], int]:
        charge = request.get_json()
        logger.info("Charging %d cents for %s", charge["amount_cents"], charge["reference"])
        answer = requests.post(f"{PAYMENT_URL}/authorizations", json=charge)  # pitfall: missing-timeout
        answer.raise_for_status()
        receipt = answer.json()["id"]
        _record("charge", charge, receipt)
        return {"reference": charge["reference"], "charge": receipt}, 201


class Refunds(Resource):
    def post(self) -> tuple[dict[str, Any], int]:
        refund = request.get_json()
        logger.info("Refunding %d cents for %s", refund["amount_cents"], refund["reference"])
        answer = requests.post(f"{PAYMENT_URL}/refunds", json=refund, timeout=(3.05, 10))
        answer.raise_for_status()
        receipt = answer.json()["id"]
        _record("refund", refund, receipt)
        return {"reference": refund["reference"], "refund": receipt}, 201


def _record(kind: str, payment: dict[str, Any], receipt: str) -> None:
    with Session(current_app.config["PRICING"]) as session, session.begin():
        session.add(
            Payment(
                reference=payment["reference"],
                kind=kind,
                amount_cents=payment["amount_cents"],
                receipt=receipt,
            )
        )
    logger.info("Recorded %s %s for %s", kind, receipt, payment["reference"])
