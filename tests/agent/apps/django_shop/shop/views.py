import logging
import os
from collections.abc import Iterator

import requests
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views import View
from rest_framework.decorators import api_view
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import APIView

from shop.middleware import Overloaded
from shop.models import Item

log = logging.getLogger("shop.views")


def items(request: HttpRequest, pk: int) -> HttpResponse:
    log.info("showing item %s", pk)
    found = Item.objects.filter(pk=pk).first()  # the select
    with transaction.atomic():
        Item.objects.bulk_create([Item(name="a"), Item(name="b")])  # the insert
    if request.GET.get("fail"):
        log.error("card %s failed", "4111 1111 1111 1111")
    return JsonResponse({"found": found is not None})


def order(request: HttpRequest) -> HttpResponse:
    answer = requests.get(os.environ["STOCK_URL"] + "/stock/abc?api_key=hunter2", timeout=5)  # the call
    return JsonResponse(answer.json())


def missing(request: HttpRequest) -> HttpResponse:
    raise Http404("no such thing")


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the till is stuck, password=hunter2")


def overloaded(request: HttpRequest) -> HttpResponse:
    raise Overloaded("come back later")


def host(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.get_host())


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def rows() -> Iterator[str]:
        for number in range(3):
            log.info("row %d", number)
            yield f"{Item.objects.filter(pk=number).exists()}\n"  # in the stream

    return StreamingHttpResponse(rows())


class Till(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("a till")


class Checked(APIView):
    def post(self, request: object) -> Response:
        raise ValidationError({"amount": ["too much"]})


@api_view(["GET"])
def counted(request: object) -> Response:
    return Response({"count": Item.objects.count()})
