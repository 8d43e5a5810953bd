"""Fills an empty storefront with customers, carts and some orders of the past."""

from __future__ import annotations

from django.core.management.base import BaseCommand
from django.db import connection

from tracestitch_demo.inventory.seed import sku
from tracestitch_demo.storefront.shop.models import Cart, CartItem, Customer, Order, OrderLine
from tracestitch_demo.storefront.shop.sizes import BIG, BIG_CARTS, CUSTOMERS, SMALL, SMALL_CARTS

NAMES = ("Ada", "Barbara", "Edsger", "Grace", "Katherine", "Leslie", "Margaret", "Niklaus", "Radia", "Tony")


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: object, **options: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")  # readers and writers of several processes
        Customer.objects.bulk_create(
            Customer(name=f"{NAMES[n % len(NAMES)]} {n}", email=f"customer-{n}@example.com")
            for n in range(CUSTOMERS)
        )
        customers = list(Customer.objects.order_by("id"))
        for number in range(BIG_CARTS + SMALL_CARTS):
            cart = Cart.objects.create(customer=customers[number], voucher="SPRING")
            size = BIG if number < BIG_CARTS else SMALL
            CartItem.objects.bulk_create(
                CartItem(cart=cart, sku=sku(number + n), quantity=1 + n % 3) for n in range(size)
            )
        for number, customer in enumerate(customers):
            order = Order.objects.create(
                reference=f"past-{number}", customer=customer, total_cents=990, status="confirmed"
            )
            OrderLine.objects.create(order=order, sku=sku(number), quantity=1)
