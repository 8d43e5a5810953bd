"""A Django service in one file, for any server."""

import logging
import sys

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY="x" * 50, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[], WSGI_APPLICATION=None
)


def pay(request, name):
    logging.getLogger("pay").warning("paying")
    return HttpResponse("paid")


urlpatterns = [path("pay/<str:name>", pay)]
wsgi, asgi = get_wsgi_application(), get_asgi_application()
if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
