"""A Django project in one file whose only view is a generic one: all of its queries are made by its templates."""

import os
import sys
from pathlib import Path
from wsgiref.simple_server import make_server

import django
from django.conf import settings
from django.db import connection, models
from django.urls import path

HERE = Path(__file__).parent
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["LIBRARY_DATABASE"]}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.contenttypes"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not-a-real-key",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [HERE / "templates"]}],
)
django.setup()

from django.views.generic import ListView  # noqa: E402 - Django must be set up first


class Author(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "library"


class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE)

    class Meta:
        app_label = "library"


urlpatterns = [
    path("books/", ListView.as_view(model=Book, template_name="books.html")),
    path(
        "shelf/", ListView.as_view(queryset=Book.objects.select_related("author"), template_name="books.html")
    ),
]

if __name__ == "__main__":
    with connection.schema_editor() as editor:
        editor.create_model(Author)
        editor.create_model(Book)
    for number in range(20):
        Book.objects.create(author=Author.objects.create(name=f"author {number}"))
    from django.core.wsgi import get_wsgi_application

    make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application()).serve_forever()
