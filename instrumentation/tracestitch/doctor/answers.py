"""What an answer at the endpoint means, be it a collector's or somebody else's. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tracestitch.delivery import judge
from tracestitch.doctor import conditions
from tracestitch.doctor.condition import Finding, met, printable
from tracestitch.transport import Reply

_OTLP = "application/x-protobuf"
_GATEWAYS = re.compile(
    r"squid|haproxy|varnish|envoy|nginx|cloudflare|zscaler|bluecoat|mitmproxy|traefik|proxy", re.I
)
_TITLE = re.compile(rb"<title[^>]*>(.{0,200}?)</title>", re.I | re.S)
_TEXT = re.compile(rb"[\x20-\x7e]{6,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Where the answer came from and what was sent along."""

    url: str
    # The header that a token went in; empty without one.
    token_variable: str

    @property
    def address(self) -> str:
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def base(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{self.address}"

    @property
    def suggestion(self) -> str:
        """The same host with the usual port."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}:4318"


def judged(reply: Reply, asked: Asked, now_s: float) -> Finding | None:
    """None: the echo was taken."""
    verdict = judge(reply, now_s)
    if verdict.delivered and not verdict.rejected:
        return None
    if verdict.delivered:
        return met(conditions.ECHO_REFUSED, f"{asked.address} took the request and {verdict.reason}.")
    for rule in (_of_ours, _of_a_proxy, _of_a_collector):
        finding = rule(reply, asked)
        if finding is not None:
            return finding
    return met(
        conditions.WRONG_PORT,
        f"What answers at {asked.address} is no OTLP receiver: {_described(reply)}.",
        suggestion=asked.suggestion,
    )


def _of_ours(reply: Reply, asked: Asked) -> Finding | None:
    if reply.status == 200 or not _is_our_dashboard(reply):
        return None
    return met(
        conditions.DASHBOARD_PORT,
        f"{asked.address} is a Tracestitch dashboard; it takes no telemetry.",
        suggestion=asked.suggestion,
    )


def _is_our_dashboard(reply: Reply) -> bool:
    kind = _kind(reply)
    page = kind == "text/html" and b"tracestitch" in reply.body.lower()
    signs = kind == "application/json" and reply.body.startswith((b'{"error"', b'{\n  "error"'))
    return (page or signs) and "default-src 'none'" in reply.headers.get("content-security-policy", "")


def _of_a_proxy(reply: Reply, asked: Asked) -> Finding | None:
    sender = reply.headers.get("via") or reply.headers.get("server", "")
    is_gateway = bool(_GATEWAYS.search(sender)) or "via" in reply.headers
    if 300 <= reply.status < 400:
        target = printable(reply.headers.get("location", "elsewhere"))
        return met(
            conditions.REDIRECTED,
            f"{asked.address} answered {reply.status} and points to {target}; the agent does not follow.",
            address=asked.address,
        )
    if reply.status == 400 and b"https port" in reply.body.lower():
        return met(conditions.TLS_EXPECTED, f"{asked.address} speaks TLS, and the endpoint says http://.")
    is_page = _kind(reply) == "text/html"
    if reply.status in (407, 502, 504) or (is_gateway and is_page and reply.status in (403, 503)):
        who = f" ({printable(sender, 60)})" if sender else ""
        return met(
            conditions.PROXY_ANSWERED,
            f"Not the collector but something in front of it answered{who}: {_described(reply)}.",
            address=asked.address,
        )
    return None


def _of_a_collector(reply: Reply, asked: Asked) -> Finding | None:
    said = said_in(reply)
    because = f": {said}" if said else ""
    if reply.status in (401, 403):
        if asked.token_variable:
            text = f"{asked.address} answered {reply.status} to the token in {asked.token_variable}."
            return met(conditions.TOKEN_WRONG, text, variable=asked.token_variable)
        return met(conditions.TOKEN_MISSING, f"{asked.address} wants a token, and none is set.")
    if reply.status == 421:
        host = urlsplit(asked.url).hostname or ""
        return met(
            conditions.HOST_REFUSED, f"{asked.address} does not answer to the name {host!r}.", host=host
        )
    if reply.status in (429, 503):
        full = "cannot be written" in said or "is full" in said
        condition = conditions.COLLECTOR_FULL if full else conditions.COLLECTOR_BUSY
        return met(condition, f"{asked.address} takes nothing now ({reply.status}){because}.")
    if _kind(reply) == _OTLP or reply.status == 507:
        return met(conditions.ECHO_REFUSED, f"{asked.address} refused the echo with {reply.status}{because}.")
    return None


def _described(reply: Reply) -> str:
    title = _TITLE.search(reply.body)
    words = printable(title[1].decode("utf-8", "replace"), 80) if title else ""
    shown = f", “{words}”" if words else ""
    return f"it answered {reply.status} with {_kind(reply) or 'no content type'}{shown}"


def _kind(reply: Reply) -> str:
    return printable(reply.headers.get("content-type", "").partition(";")[0].strip().lower(), 60)


def said_in(reply: Reply) -> str:
    """The words of a `Status` or a plain answer, without decoding it."""
    if _kind(reply) == "text/html":
        return ""
    found = _TEXT.search(reply.body)
    return printable(found[0].decode(), 300).rstrip(".") if found else ""


def token_variable(headers: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Which variable the authorization header came from."""
    if "authorization" not in headers:
        return ""
    given = [name for name in environ if name.startswith("OTEL_EXPORTER_OTLP") and name.endswith("HEADERS")]
    for name in sorted(given):
        if "authorization" in environ[name].lower():
            return name
    return "TRACESTITCH_TOKEN"
