"""Settings of a project whose database and cache the environment names."""

import json
import os

SECRET_KEY = "test"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "django_reading.urls"
INSTALLED_APPS = ["django_reading"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
DATABASES = {"default": json.loads(os.environ.get("READ_DJANGO_DATABASE", "{}"))}
if os.environ.get("READ_DJANGO_CACHE"):
    CACHES = {"default": json.loads(os.environ["READ_DJANGO_CACHE"])}
if os.environ.get("READ_REST"):
    INSTALLED_APPS += ["rest_framework"]
    REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    }
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
