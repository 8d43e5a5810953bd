"""Products: what there is, from inventory, and what it costs, from pricing by way of the gateway."""

from __future__ import annotations

import logging

import requests
from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

logger = logging.getLogger(__name__)

TIMEOUT_S = (3.05, 10)


class ProductList(APIView):
    def get(self, request: Request) -> Response:
        products = cache.get("products")
        if products is None:
            answer = requests.get(f"{settings.INVENTORY_URL}/stock/summary", timeout=TIMEOUT_S)
            answer.raise_for_status()
            products = answer.json()["products"]
            cache.set("products", products, timeout=1)
            logger.info("Loaded %d products from inventory", len(products))
        return Response({"products": products})


class Tariff(APIView):
    """What a product costs by the yearly tariff."""

    def get(self, request: Request, sku: str) -> Response:
        # The gateway passes on only the headers it knows on this route, so the trace ends there.
        url = f"{settings.GATEWAY_URL}/tariffs/{sku}"
        answer = requests.get(url, timeout=TIMEOUT_S)  # pitfall: broken-trace-context
        answer.raise_for_status()
        logger.info("Tariff of %s is %d cents", sku, answer.json()["price_cents"])
        return Response(answer.json())


class Offer(APIView):
    """What a product costs today."""

    def get(self, request: Request, sku: str) -> Response:
        answer = requests.get(f"{settings.GATEWAY_URL}/offers/{sku}", timeout=TIMEOUT_S)
        answer.raise_for_status()
        logger.info("Offer for %s is %d cents", sku, answer.json()["price_cents"])
        return Response(answer.json())
