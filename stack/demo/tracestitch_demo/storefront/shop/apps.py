"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "tracestitch_demo.storefront.shop"
    label = "shop"

    def ready(self) -> None:
        # shared_task sends to whichever Celery app is current: make it ours, also under gunicorn.
        from tracestitch_demo.storefront import celery  # noqa: F401
