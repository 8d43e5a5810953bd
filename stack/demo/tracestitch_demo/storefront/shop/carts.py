"""The cart: its items with today's prices, and what a voucher takes off."""

from __future__ import annotations

import logging

import requests
from django.conf import settings
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tracestitch_demo.storefront.shop.models import Cart

logger = logging.getLogger(__name__)

TIMEOUT_S = (3.05, 10)


class CartDetail(APIView):
    def get(self, request: Request, cart_id: int) -> Response:
        cart = get_object_or_404(Cart.objects.prefetch_related("items"), pk=cart_id)
        lines = []
        for item in cart.items.all():
            url = f"{settings.PRICING_URL}/prices/{item.sku}"
            answer = requests.get(url, timeout=TIMEOUT_S)  # pitfall: n-plus-one-http
            answer.raise_for_status()
            price_cents = answer.json()["price_cents"]
            lines.append({"sku": item.sku, "quantity": item.quantity, "price_cents": price_cents})
        logger.info("Priced cart %d, %d lines", cart_id, len(lines))
        return Response({"cart": cart_id, "lines": lines, "total_cents": _total(lines)})


class CartSummary(APIView):
    def get(self, request: Request, cart_id: int) -> Response:
        cart = get_object_or_404(Cart.objects.prefetch_related("items"), pk=cart_id)
        items = list(cart.items.all())
        answer = requests.get(
            f"{settings.PRICING_URL}/prices",
            params={"skus": ",".join(item.sku for item in items)},
            timeout=TIMEOUT_S,
        )
        answer.raise_for_status()
        prices = answer.json()["prices"]
        lines = [
            {"sku": item.sku, "quantity": item.quantity, "price_cents": prices[item.sku]} for item in items
        ]
        logger.info("Priced cart %d in one call, %d lines", cart_id, len(lines))
        return Response({"cart": cart_id, "lines": len(lines), "total_cents": _total(lines)})


class CartVoucher(APIView):
    def get(self, request: Request, cart_id: int) -> Response:
        cart = get_object_or_404(Cart, pk=cart_id)
        url = f"{settings.PRICING_URL}/vouchers/{cart.voucher}"
        discount_cents = 0
        try:
            answer = requests.get(url, timeout=TIMEOUT_S)  # pitfall: swallowed-error
            answer.raise_for_status()
            discount_cents = answer.json()["discount_cents"]
        except Exception:  # pitfall: swallowed-error
            pass
        return Response({"cart": cart_id, "discount_cents": discount_cents})


class CartDiscount(APIView):
    def get(self, request: Request, cart_id: int) -> Response:
        cart = get_object_or_404(Cart, pk=cart_id)
        try:
            answer = requests.get(f"{settings.PRICING_URL}/vouchers/{cart.voucher}", timeout=TIMEOUT_S)
            answer.raise_for_status()
        except requests.RequestException:
            logger.exception("Voucher %s could not be looked up", cart.voucher)
            return Response({"cart": cart_id, "discount_cents": 0, "voucher": "unavailable"})
        return Response({"cart": cart_id, "discount_cents": answer.json()["discount_cents"]})


def _total(lines: list[dict[str, int]]) -> int:
    return sum(line["quantity"] * line["price_cents"] for line in lines)
