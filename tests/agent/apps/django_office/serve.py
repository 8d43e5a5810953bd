"""A Django project that does what takes time besides a view: middleware, transactions, signals, forms, serializers,
a cache; and loads rows one by one as generic views, serializers and templates do."""

import os
import sys
import time
from pathlib import Path
from wsgiref.simple_server import make_server

import django
from django.conf import settings

HERE = Path(__file__).parent
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    CACHES={
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "far": {"BACKEND": "office.far.FarCache", "LOCATION": "127.0.0.1:1"},
    },
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["OFFICE_DATABASE"]}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "office", "rest_framework"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "__main__.slow_gate", "__main__.Porter"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not-a-real-key",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [HERE / "templates"]}],
)
django.setup()

import requests  # noqa: E402 - Django must be set up first
from django import forms  # noqa: E402
from django.core.cache import cache, caches  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models.signals import post_save  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.generic import ListView  # noqa: E402
from office.models import Case, Client, Letter  # noqa: E402
from rest_framework import generics, serializers  # noqa: E402


def slow_gate(get_response):
    def gate(request):
        time.sleep(0.005)
        return get_response(request)

    return gate


class Porter:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        time.sleep(0.003)
        return response


def note_letter(sender, **named):
    time.sleep(0.004)


post_save.connect(note_letter, sender=Letter)


class CaseForm(forms.Form):
    title = forms.CharField()

    def clean_title(self):
        time.sleep(0.002)
        return self.cleaned_data["title"]


class LetterSerializer(serializers.ModelSerializer):
    author = serializers.CharField(source="author.name")

    class Meta:
        model = Letter
        fields = ("author",)


class CaseSerializer(serializers.ModelSerializer):
    letters = LetterSerializer(many=True)

    class Meta:
        model = Case
        fields = ("title", "letters")


class Cases(generics.ListAPIView):
    queryset = Case.objects.all()
    serializer_class = CaseSerializer


def file_case(request):
    with transaction.atomic():  # the filing
        case = Case.objects.create(plaintiff_id=1, title="new")
        with transaction.atomic():
            Letter.objects.create(case=case, author_id=1)
        transaction.on_commit(lambda: None)
        requests.get(os.environ["COURT_URL"] + "/court", timeout=5)  # the call inside
    requests.get(os.environ["COURT_URL"] + "/after", timeout=5)
    return HttpResponse("filed")


@transaction.atomic
def close_case(request):
    Case.objects.filter(pk=1).update(title="closed")
    return HttpResponse("closed")


def drop_case(request):
    try:
        with transaction.atomic():  # the dropping
            Case.objects.filter(pk=1).update(title="dropped")
            raise LookupError
    except LookupError:
        return HttpResponse("kept")


def check_form(request):
    return HttpResponse(CaseForm({"title": "x"}).is_valid())


def look_up(request):
    cache.set("client:1:secret-name", 1)
    cache.get("client:1:secret-name")
    cache.get("client:2:other-name")
    cache.get_many(["client:1:secret-name", "client:3:x", "client:4:x"])
    cache.get_or_set("client:5:x", 1)
    return HttpResponse("looked")


def look_far(request):
    caches["far"].set("client:1:secret-name", 1)
    caches["far"].get("client:1:secret-name")  # the far look
    return HttpResponse("looked far")


def calm(request):
    return HttpResponse("calm")


urlpatterns = [
    path("file/", file_case),
    path("close/", close_case),
    path("drop/", drop_case),
    path("form/", check_form),
    path("lookup/", look_up),
    path("far/", look_far),
    path("calm/", calm),
    path("cases/", ListView.as_view(model=Case, template_name="cases.html")),
    path("api/cases/", Cases.as_view()),
]

if __name__ == "__main__":
    with connection.schema_editor() as editor:
        for model in (Client, Case, Letter):
            editor.create_model(model)
    for number in range(20):
        client = Client.objects.create(name=f"client {number}")
        case = Case.objects.create(plaintiff=client, title=f"case {number}")
        Letter.objects.bulk_create([Letter(case=case, author=client), Letter(case=case, author=client)])
    from django.core.wsgi import get_wsgi_application

    make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application()).serve_forever()
