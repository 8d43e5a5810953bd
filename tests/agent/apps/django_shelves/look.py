"""Every way in which Django's models look up rows one by one, and the ways that spare it. Prints nothing."""

import os
import pickle

import django
from django.conf import settings
from django.db import connection

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SHELVES_DATABASE"]}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "shelves"],
    SECRET_KEY="not-a-real-key",
)
django.setup()

from django.contrib.contenttypes.models import ContentType  # noqa: E402 - after setup()
from opentelemetry import trace  # noqa: E402
from shelves.models import Book, Cover, Shelf, Tag, Word  # noqa: E402


def fill() -> None:
    with connection.schema_editor() as editor:
        for model in (ContentType, Shelf, Word, Tag, Book, Cover):
            editor.create_model(model)
    shelf = Shelf.objects.create()
    for _ in range(2):
        book = Book.objects.create(shelf=shelf, lent_from=shelf)
        book.tags.add(Tag.objects.create())
        Cover.objects.create(book=book)
        Word.objects.create(target=book)


def look() -> None:
    book = Book.objects.get(pk=1)  # a book
    book.shelf  # noqa: B018 # its shelf
    book.cover  # noqa: B018 # its cover
    list(book.tags.all())  # its tags
    list(book.tags.filter(pk=1))  # one of its tags
    list(book.tags.order_by("pk")[:1])  # its first tag
    book.tags.all().count()  # how many tags
    list(book.words.all())  # words about it
    Cover.objects.get(pk=1).book.title  # noqa: B018 # its book
    shelf = Shelf.objects.get(pk=1)
    list(shelf.books.all())  # the books of a shelf
    list(shelf.book_set.all())  # the books lent from it
    list(Tag.objects.get(pk=1).book_set.values_list("pk", flat=True))  # the books of a tag
    list(pickle.loads(pickle.dumps(shelf.books.all().query)).model.objects.all())  # no relation
    spared = Book.objects.select_related("shelf", "cover").prefetch_related("tags", "lent_from", "words")
    for other in spared:  # spared all lookups
        other.shelf, other.cover, list(other.tags.all()), other.lent_from, list(other.words.all())
    list(Shelf.objects.prefetch_related("books__cover"))  # no loads either
    Word.objects.get(pk=1).target  # noqa: B018 # what it is about
    Book.objects.defer("title").get(pk=1).title  # noqa: B018 # its title
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 -- by hand")  # by hand


if __name__ == "__main__":
    fill()
    with trace.get_tracer("shelves").start_as_current_span("look"):
        look()
