"""Django's settings. Addresses and the data folder come from the environment; see demo/README.md."""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(os.environ.get("SHOP_DATA", ".demo/shop")).absolute()

SECRET_KEY = os.environ.get("SHOP_SECRET_KEY") or "only-for-a-shop-that-sells-nothing-0123456789-abcdefghij"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = ["rest_framework", "tracestitch_demo.storefront.shop"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "tracestitch_demo.storefront.urls"
WSGI_APPLICATION = "tracestitch_demo.storefront.wsgi.application"
APPEND_SLASH = False

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "storefront.sqlite",
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        "CONN_MAX_AGE": 60,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHE_URL = os.environ.get("SHOP_CACHE_URL", "")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CACHE_URL}
    if CACHE_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
USE_TZ = True
TIME_ZONE = "UTC"

INVENTORY_URL = os.environ.get("SHOP_INVENTORY_URL", "http://127.0.0.1:8802")
PRICING_URL = os.environ.get("SHOP_PRICING_URL", "http://127.0.0.1:8803")
GATEWAY_URL = os.environ.get("SHOP_GATEWAY_URL", "http://127.0.0.1:8804")

# The worker's settings: read by storefront/celery.py under the prefix CELERY_.
CELERY_BROKER_URL = os.environ.get("SHOP_BROKER_URL", "filesystem://")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "shop"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
if CELERY_BROKER_URL.startswith("filesystem://"):
    _BROKER = str(DATA / "broker")
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": _BROKER,
        "data_folder_out": _BROKER,
        "control_folder": str(DATA / "broker-control"),
        "polling_interval": 0.2,
    }

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
