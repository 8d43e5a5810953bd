"""What a page answers instead of its content: texts for people, each with its HTTP status."""

from __future__ import annotations


class PageError(Exception):
    """A text that says what happened, with which value, and what to do."""

    status = 500
    title = "Something went wrong"


class NotFound(PageError):
    status = 404
    title = "Not found"


class BadQuery(PageError):
    status = 400
    title = "That address does not make sense"
