"""The checkout: reserve the goods, charge the customer, place the order, have the receipt sent."""

from __future__ import annotations

import logging
import uuid
from typing import Any

import requests
from django.conf import settings
from django.db import transaction
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tracestitch_demo.storefront.shop.models import Cart, CartItem, Order, OrderLine
from tracestitch_demo.storefront.shop.tasks import send_receipt

logger = logging.getLogger(__name__)

TIMEOUT_S = (3.05, 20)


class CheckoutForm(serializers.Serializer):
    cart = serializers.IntegerField(min_value=1)


class Checkout(APIView):
    def post(self, request: Request) -> Response:
        form = CheckoutForm(data=request.data)
        form.is_valid(raise_exception=True)
        cart = get_object_or_404(
            Cart.objects.select_related("customer").prefetch_related("items"),
            pk=form.validated_data["cart"],
        )
        items = list(cart.items.all())
        reference = uuid.uuid4().hex[:12]
        logger.info("Checkout %s: cart %d with %d lines", reference, cart.pk, len(items))
        reservation = _reserve(reference, items)
        charge = _charge(reference, reservation["total_cents"])
        order = _place(reference, cart, items, reservation["total_cents"])
        send_receipt.delay(order.pk)
        logger.info("Order %s placed, receipt is queued", reference)
        return Response({"reference": reference, "charge": charge["charge"]}, status=201)


def _reserve(reference: str, items: list[CartItem]) -> dict[str, Any]:
    lines = [{"sku": item.sku, "quantity": item.quantity} for item in items]
    answer = requests.post(
        f"{settings.INVENTORY_URL}/reservations",
        json={"reference": reference, "lines": lines},
        timeout=TIMEOUT_S,
    )
    answer.raise_for_status()
    reservation: dict[str, Any] = answer.json()
    logger.info("Reserved %d lines for %s", len(lines), reference)
    return reservation


def _charge(reference: str, amount_cents: int) -> dict[str, Any]:
    answer = requests.post(
        f"{settings.PRICING_URL}/charges",
        json={"reference": reference, "amount_cents": amount_cents},
        timeout=TIMEOUT_S,
    )
    answer.raise_for_status()
    charge: dict[str, Any] = answer.json()
    logger.info("Charged %d cents for %s", amount_cents, reference)
    return charge


def _place(reference: str, cart: Cart, items: list[CartItem], total_cents: int) -> Order:
    with transaction.atomic():
        order: Order = Order.objects.create(
            reference=reference, customer=cart.customer, total_cents=total_cents
        )
        OrderLine.objects.bulk_create(
            OrderLine(order=order, sku=item.sku, quantity=item.quantity) for item in items
        )
    return order
