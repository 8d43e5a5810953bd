"""The official client, opened from the settings, and its exceptions put into words once, here."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson
from elastic_transport import ConnectionTimeout, TlsError, TransportError
from elastic_transport.client_utils import DEFAULT
from elasticsearch import ApiError, Elasticsearch, JsonSerializer, UnsupportedProductError

from tracestitch_collector.errors import BadConfiguration, Unavailable
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings


class _Answers(JsonSerializer):
    """Reads with orjson; what is asked may hold numbers that orjson cannot write."""

    def json_loads(self, data: bytes) -> Any:
        return orjson.loads(data)


def connect(settings: ElasticsearchSettings) -> Elasticsearch:
    """Opens no connection yet. Raises `BadConfiguration` where the settings make no sense."""
    parts = urlsplit(settings.url)
    user, given, host = parts.netloc.rpartition("@")
    if given and settings.api_key:
        raise BadConfiguration(
            f"Elasticsearch at {settings.address} is given a password in its URL and an API key as well: leave one."
        )
    if settings.ca_certs and not Path(settings.ca_certs).is_file():
        raise BadConfiguration(f"--elasticsearch-ca is {settings.ca_certs!r}, which is not a file.")
    _say_less(logging.getLogger("elastic_transport"))
    try:
        return Elasticsearch(
            urlunsplit((parts.scheme, f"{user}{given}{host}", parts.path, "", "")),
            api_key=settings.api_key or None,
            ca_certs=settings.ca_certs or DEFAULT,
            request_timeout=settings.request_timeout_s,
            serializers={"application/json": _Answers()},
            max_retries=1,
        )
    except (ValueError, OSError) as error:
        raise BadConfiguration(
            f"Elasticsearch at {settings.address} cannot be reached with these settings: "
            f"{without_credentials(str(error), settings)}."
        ) from None


def _say_less(logger: logging.Logger) -> None:
    """The client logs a line for each request; a level that somebody chose stays."""
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)


@contextmanager
def answering(settings: ElasticsearchSettings) -> Iterator[None]:
    """Turns whatever goes wrong inside into `Unavailable` with a text that says what to do."""
    try:
        yield
    except ConnectionTimeout as error:
        raise Unavailable(
            f"Elasticsearch at {settings.address} did not answer within {settings.request_timeout_s:g} s."
        ) from error
    except TlsError as error:
        raise Unavailable(
            f"Elasticsearch at {settings.address} shows a certificate that is not trusted here: "
            "name its authority with --elasticsearch-ca."
        ) from error
    except UnsupportedProductError as error:
        raise Unavailable(
            f"What answers at {settings.address} is not Elasticsearch 8 or 9: check --elasticsearch-url."
        ) from error
    except TransportError as error:
        raise Unavailable(
            f"Elasticsearch at {settings.address} cannot be reached: "
            f"{without_credentials(error.message, settings)}. Is it running, and is the address right?"
        ) from error
    except ApiError as error:
        raise Unavailable(refusal(settings, error.meta.status, _reason(error))) from error


def _reason(error: ApiError) -> str:
    """In Elasticsearch's words, in one line."""
    body = error.body if isinstance(error.body, dict) else {}
    found = body.get("error")
    if isinstance(found, dict):
        causes = [cause.get("reason") for cause in found.get("root_cause", ()) if isinstance(cause, dict)]
        return str(found.get("reason") or next(iter(causes), found.get("type")))
    return str(found or error.message)


def refusal(settings: ElasticsearchSettings, status: int, reason: str) -> str:
    """What a status means, for people."""
    what_to_do = {
        401: "the credentials are wrong: check the API key or the password in --elasticsearch-url",
        403: f"the credentials do not allow this ({reason}): see the privileges in docs/elasticsearch.md",
        404: f"the data stream or its template is missing ({reason}): run `tracestitch elasticsearch setup`",
        413: "a request was larger than http.max_content_length allows",
        429: f"it has no room for more now ({reason})",
    }
    return f"Elasticsearch at {settings.address} answered {status}: {what_to_do.get(status, reason)}."


def without_credentials(text: str, settings: ElasticsearchSettings) -> str:
    """Texts of other libraries may quote the whole URL."""
    credentials = urlsplit(settings.url).netloc.rpartition("@")[0]
    for secret in (credentials, credentials.partition(":")[2], settings.api_key):
        if secret:
            text = text.replace(secret, "…")
    return text
