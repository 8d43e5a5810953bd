"""The Celery app: the storefront sends tasks, the worker runs them from the same code."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracestitch_demo.storefront.settings")

app = Celery("storefront")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["tracestitch_demo.storefront.shop"])
