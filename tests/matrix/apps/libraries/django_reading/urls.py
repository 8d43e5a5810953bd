"""Views that read through whichever module READER names."""

import asyncio
import importlib
import inspect
import logging
import os
import sys

from django.http import JsonResponse
from django.urls import path

log = logging.getLogger("reading")
reader = importlib.import_module("readers." + os.environ["READER"])


def read(request, pk):
    log.info("reading %s", pk)
    found = reader.read(pk)
    if inspect.isawaitable(found):
        found = asyncio.run(found)
    return JsonResponse({"found": found})


def modules(request):
    return JsonResponse(sorted({name.partition(".")[0] for name in sys.modules}), safe=False)


urlpatterns = [path("read/<int:pk>", read), path("modules", modules)]

if os.environ.get("READ_REST"):
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Reading(APIView):
        def get(self, request, pk):
            log.info("reading %s", pk)
            return Response({"found": reader.read(pk)})

    urlpatterns.append(path("resource/<int:pk>", Reading.as_view()))
