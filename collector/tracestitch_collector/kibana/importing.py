"""`tracestitch kibana import`: gives Kibana our objects through its own APIs. Importing again changes nothing but ours."""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from tracestitch_collector.errors import BadConfiguration, Unavailable
from tracestitch_collector.kibana import objects, rules

TIMEOUT_S = 60


class Kibana:
    """One space of a Kibana. Raises Unavailable where it does not answer or refuses."""

    def __init__(self, url: str, *, api_key: str = "", ca: str = "", space: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadConfiguration(
                f"the address of Kibana is {parts.hostname!r}; give one such as http://127.0.0.1:5601"
            )
        host = parts.netloc.rpartition("@")[2]
        self._url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._url += f"/s/{quote(space, safe='')}" if space else ""
        self._headers = {"kbn-xsrf": "tracestitch"}
        if api_key:
            self._headers["Authorization"] = f"ApiKey {api_key}"
        elif parts.username:
            pair = f"{parts.username}:{parts.password or ''}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        self._tls = ssl.create_default_context(cafile=ca) if ca else None

    def import_objects(self, text: str) -> dict[str, Any]:
        """Kibana's own answer."""
        boundary = secrets.token_hex(16)
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="tracestitch.ndjson"\r\n'
            f"Content-Type: application/ndjson\r\n\r\n{text}\r\n--{boundary}--\r\n"
        ).encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return self._ask("POST", "/api/saved_objects/_import?overwrite=true", body, kind)

    def put_rule(self, identity: str, definition: Mapping[str, Any]) -> str:
        """Whether it was `made` or was there: what a team changed of it stays."""
        try:
            self._ask("GET", f"/api/alerting/rule/{identity}")
        except _NotThereError:
            self._ask(
                "POST", f"/api/alerting/rule/{identity}", json.dumps(definition).encode(), "application/json"
            )
            return "made"
        return "there already, left as it is"

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> dict[str, Any]:
        headers = {**self._headers, **({"Content-Type": kind} if kind else {})}
        address = self._url + path  # its scheme was looked at
        request = urllib.request.Request(address, data=body, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=self._tls) as answer:  # noqa: S310
                found = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404 and method == "GET":
                raise _NotThereError from error
            said = error.read(500).decode("utf-8", "replace")
            raise Unavailable(
                f"Kibana at {self._url} answered {error.code} to {method} {path}: {said}"
            ) from error
        except (OSError, ValueError) as error:
            raise Unavailable(f"Kibana at {self._url} does not answer {method} {path}: {error}") from error
        return found if isinstance(found, dict) else {}


class _NotThereError(Exception):
    pass


def run(kibana: Kibana, dashboard: str) -> Iterator[str]:
    """Imports everything; tells in words what was done. Raises Unavailable where an object was not taken."""
    answer = kibana.import_objects(objects.ndjson(dashboard))
    errors = answer.get("errors") or []
    for error in errors:
        yield f"{error.get('type')} {error.get('id')}: not taken, {json.dumps(error.get('error'))}"
    yield f"{answer.get('successCount', 0)} of {len(objects.objects())} objects: data views, searches, charts, dashboards"
    if errors:
        raise Unavailable(f"Kibana did not take {len(errors)} objects")
    for rule in rules.RULES:
        yield f"rule “{rule.name}”: {kibana.put_rule(rule.id, rules.definition(rule))}"
