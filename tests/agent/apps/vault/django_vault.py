"""A Django app in one file that has a secret in each place from which one might leave."""

import logging
import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import Http404, JsonResponse
from django.urls import path

CANARY = os.environ["CANARY"]
settings.configure(
    DEBUG=True,
    SECRET_KEY=f"{CANARY}-settings",
    PAYMENT_PASSWORD=f"{CANARY}-payment",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
    INSTALLED_APPS=["django.contrib.sessions"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "PASSWORD": f"{CANARY}-db"}
    },
    LOGGING={
        "version": 1,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["console"], "level": "INFO"},
    },
)
log = logging.getLogger("vault")


def reset(request, uidb64, token):
    from django.db import connection

    log.info("reset with password=%s", request.POST.get("password"), extra={"api_key": f"{CANARY}-extra"})
    log.warning("headers %s", dict(request.headers))
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s, '" + CANARY + "-literal'", [f"{CANARY}-parameter"])
    return JsonResponse({"ok": True}, headers={"X-Note": f"{CANARY}-answer"})


def missing(request, key):
    raise Http404(f"no such key: {CANARY}-missing")


def fails(request):
    password = f"{CANARY}-local"
    raise ValueError(f"cannot log in with password={CANARY}-message", len(password))


urlpatterns = [
    path("reset/<uidb64>/<token>/", reset),
    path("missing/<key>/", missing),
    path("fails", fails),
]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
