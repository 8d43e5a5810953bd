"""What happens after the customer has been answered."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import transaction

from tracestitch_demo.storefront.shop.models import Order, Receipt

logger = logging.getLogger(__name__)


@shared_task
def send_receipt(order_id: int) -> None:
    order = Order.objects.select_related("customer").prefetch_related("lines").get(pk=order_id)
    logger.info("Writing the receipt of order %s", order.reference)
    lines = [f"{line.quantity} × {line.sku}" for line in order.lines.all()]
    text = "\n".join((f"Order {order.reference}", *lines, f"Total {order.total_cents / 100:.2f}"))
    with transaction.atomic():
        Receipt.objects.create(order=order, text=text)
        Order.objects.filter(pk=order_id).update(status="confirmed")
    logger.info("Receipt of order %s is sent", order.reference)
