"""What Django apps do besides queries: templates, caches, forms, signals, relations, serializers, streams of ASGI."""

import asyncio
import time

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.db import connection, models, transaction
from django.dispatch import Signal
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import APIView

ordered = Signal()


class Shelf(models.Model):
    name = models.TextField()

    class Meta:
        app_label = "everywhere"
        db_table = "shelf"


class Note(models.Model):
    text = models.TextField()
    shelf = models.ForeignKey(Shelf, models.CASCADE, related_name="notes")

    class Meta:
        app_label = "everywhere"
        db_table = "note"


class Amount(forms.Form):
    amount = forms.IntegerField(min_value=1)


class NoteSerializer(serializers.Serializer):
    text = serializers.CharField(max_length=10)
    shelf = serializers.CharField(source="shelf.name")


def prepare(cursor, folder):
    cursor.execute("CREATE TABLE shelf (id integer PRIMARY KEY, name text)")
    cursor.execute("CREATE TABLE note (id integer PRIMARY KEY, text text, shelf_id integer)")
    cursor.execute("INSERT INTO shelf (name) VALUES ('top'), ('low')")
    cursor.execute("INSERT INTO note (text, shelf_id) VALUES ('one', 1), ('two', 2)")
    (folder / "part.html").write_text("<{{ note.text }} on {{ note.shelf.name }}>")
    (folder / "page.html").write_text("{% for note in notes %}{% include 'part.html' %}{% endfor %}")


def page(request):
    return render(request, "page.html", {"notes": Note.objects.order_by("id")})


def cached(request):
    found = [cache.get("a:1"), cache.get("a:1", "none"), cache.set("a:1", 7), cache.get("a:1")]
    found += [cache.get_or_set("b:1", lambda: 8), cache.get_many(["a:1", "c:1"]), cache.has_key("c:1")]
    try:
        cache.incr("nothing")
    except ValueError as error:
        found.append(str(error))
    return JsonResponse({"found": found})


def form(request):
    filled = Amount(request.GET)
    return JsonResponse({"valid": filled.is_valid(), "errors": filled.errors}, status=400)


def told(sender, **_):
    time.sleep(0.002)
    return "heard"


def failing(sender, **_):
    raise ValueError("a receiver")


def notes(request):
    ordered.connect(told, weak=False)
    heard = [answer for _, answer in ordered.send(sender=None)]
    heard += [str(answer) for _, answer in ordered.send_robust(sender=None)]
    names = [note.shelf.name for note in Note.objects.order_by("id")]
    names += [note.shelf.name for note in Note.objects.select_related("shelf").order_by("id")]
    names += [note.text for shelf in Shelf.objects.prefetch_related("notes") for note in shelf.notes.all()]
    names += [note.text for note in Shelf.objects.first().notes.all()]
    try:
        with transaction.atomic():
            transaction.on_commit(lambda: names.append("never"))
            Note.objects.filter(id=1).update(text="one")
            with transaction.atomic():
                Note.objects.only("id").first().text  # noqa: B018 - it is loaded late
            raise LookupError("rolled back")
    except LookupError:
        pass
    with transaction.atomic():
        transaction.on_commit(lambda: names.append("committed"))
    return JsonResponse({"heard": heard, "names": names, "alive": connection.is_usable()})


def slow(request):
    """For the profiler, whatever it samples."""
    until = time.monotonic() + 0.03
    while time.monotonic() < until:
        sum(range(1_000))
    password = "hunter2"
    try:
        raise ValueError(f"slow and {len(password)}")
    except ValueError as error:
        return JsonResponse({"error": str(error)}, status=500)


@login_required
def members(request):
    return HttpResponse("for members")


class Rest(APIView):
    def get(self, request):
        if "fail" in request.GET:
            wrong = NoteSerializer(data={"text": "much too long for it"})
            wrong.is_valid(raise_exception=True)
        if "forbid" in request.GET:
            raise exceptions.PermissionDenied
        return Response(NoteSerializer(Note.objects.order_by("id"), many=True).data)


async def later(request):
    await asyncio.sleep(0)
    return JsonResponse({"count": await Note.objects.acount(), "cached": await cache.aget("none", 3)})


async def drip(request):
    async def parts():
        for number in range(3):
            await asyncio.sleep(0)
            yield f"{number}".encode()

    return StreamingHttpResponse(parts())


urlpatterns = [
    path("page", page),
    path("cached", cached),
    path("form", form),
    path("notes", notes),
    path("slow", slow),
    path("members", members),
    path("rest", Rest.as_view()),
    path("later", later),
    path("drip", drip),
]
