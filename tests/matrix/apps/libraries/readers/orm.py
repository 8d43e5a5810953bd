"""Django's ORM: the model is that of the project."""

from django.apps import apps


def read(pk):
    items = apps.get_model("django_reading", "Item").objects
    found = items.get(pk=pk)  # first
    return [found.name, items.count()]  # second
