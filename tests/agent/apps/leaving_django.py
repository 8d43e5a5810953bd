"""A Django service whose answers never end, synchronous and not."""

import asyncio
import time

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

settings.configure(SECRET_KEY="x" * 50, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[])


def endless(request):
    def rows():
        while True:
            yield b"row " * 4_000
            time.sleep(0.01)

    return StreamingHttpResponse(rows())


def ends(request):
    return StreamingHttpResponse(iter([b"row"] * 3))


async def endless_async(request):
    async def rows():
        while True:
            yield b"row " * 4_000
            await asyncio.sleep(0.01)

    return StreamingHttpResponse(rows())


async def thinking(request):
    await asyncio.sleep(30)
    return HttpResponse("done")


urlpatterns = [
    path("endless", endless),
    path("ends", ends),
    path("endless-async", endless_async),
    path("thinking", thinking),
]
wsgi, asgi = get_wsgi_application(), get_asgi_application()
