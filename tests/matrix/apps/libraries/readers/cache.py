"""Django's cache, whichever the settings name."""

from django.core.cache import cache


def read(pk):
    cache.set(f"anna-{pk}", "hunter2", 30)  # first
    return cache.get(f"anna-{pk}") == "hunter2"  # second
