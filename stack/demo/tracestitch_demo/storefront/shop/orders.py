"""Orders: the list for the office, the latest ones, and refunds."""

from __future__ import annotations

import logging

import requests
from django.conf import settings
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tracestitch_demo.storefront.shop.models import Order

logger = logging.getLogger(__name__)

PAGE = 60


class OrderList(APIView):
    def get(self, request: Request) -> Response:
        rows = []
        for order in Order.objects.all()[:PAGE]:
            customer = order.customer.name  # pitfall: n-plus-one-db
            rows.append(
                {"reference": order.reference, "customer": customer, "total_cents": order.total_cents}
            )
        logger.info("Listed %d orders", len(rows))
        return Response({"orders": rows})


class RecentOrders(APIView):
    def get(self, request: Request) -> Response:
        orders = Order.objects.select_related("customer").all()[:PAGE]
        rows = [{"reference": order.reference, "customer": order.customer.name} for order in orders]
        logger.info("Listed %d recent orders", len(rows))
        return Response({"orders": rows})


class Refund(APIView):
    def post(self, request: Request, reference: str) -> Response:
        order = get_object_or_404(Order, reference=reference)
        answer = requests.post(
            f"{settings.PRICING_URL}/refunds",
            json={"reference": reference, "amount_cents": order.total_cents},
            timeout=(3.05, 10),
        )
        answer.raise_for_status()
        logger.info("Refunded %s", reference)
        return Response({"reference": reference, "refund": answer.json()["refund"]})
