"""A walk through an app as a browser makes it: signing in, following links, and what each answer was."""

import hashlib
import re
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx

NOT_FOLLOWED = re.compile(
    r"log-?out|sign-?out|delete|remove|shutdown|restart|reconnect|jsi18n|language|locale|theme|export|/static|/media"
    r"|\.(js|css|png|jpe?g|svg|ico|woff2?|map|pdf|zip)$",
    re.IGNORECASE,
)
COMPARED_HEADERS = (
    "content-type",
    "location",
    "vary",
    "allow",
    "x-frame-options",
    "cache-control",
    "x-statements",
)
# What no two answers have alike: tokens against forgery, nonces, the port, the time of day.
VARYING = re.compile(
    rb"127\.0\.0\.1:\d+|localhost:\d+|(csrf\w*|nonce|token)[\"']?\s*[=:,]\s*(value=)?\\?[\"'][^\"']*[\"']"
    rb"|name=[\"']csrf\w*[\"'][^>]*value=[\"'][^\"']*[\"']|value=[\"'][^\"']{60,}[\"']|id=[\"'][^\"']*csrf[^>]*>"
    rb"|\d\d:\d\d(:\d\d(\.\d+)?)?|[0-9a-f]{32,}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    path: str
    method: str = "GET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    request: Request
    trace_id: str
    status: int
    headers: Mapping[str, str]
    body_hash: str
    is_html: bool
    text: str

    @property
    def statements(self) -> int | None:
        told = self.headers.get("x-statements")
        return None if told is None else int(told)


class _Page(HTMLParser):
    """The links of a page, and its forms with the values they start with."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[tuple[str, dict[str, str], dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag == "form":
            self.forms.append((given.get("action", ""), {}, {}))
        elif tag in ("input", "button") and self.forms and given.get("name"):
            self.forms[-1][1][given["name"]] = given.get("value", "")
            self.forms[-1][2][given["name"]] = given.get("type", "text")


class Visitor:
    """One browser: its cookies, and a trace for each of its requests."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.base, timeout=60, trust_env=False)
        self.raw = ""

    def ask(self, request: Request, form: Mapping[str, str] | None = None) -> Answer:
        trace_id = secrets.token_hex(16)
        headers = {
            "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01",
            "referer": self.base + request.path,
        }
        answer = self.client.request(request.method, request.path, data=form, headers=headers)
        self.raw = answer.text
        body = VARYING.sub(b"", answer.content)
        return Answer(
            request=request,
            trace_id=trace_id,
            status=answer.status_code,
            headers={name: answer.headers[name] for name in COMPARED_HEADERS if name in answer.headers},
            body_hash=hashlib.sha256(body).hexdigest()[:16],
            is_html="html" in answer.headers.get("content-type", ""),
            text=body.decode(errors="replace"),
        )

    def sign_in(self, path: str, name: str, password: str) -> list[Answer]:
        """Fills in the form of the page that asks for a password."""
        shown = self.ask(Request(path=path))
        page = _Page()
        page.feed(self.raw)
        # A login page that is drawn by scripts has no form.
        bare = ("", {"username": "", "password": ""}, {"username": "text", "password": "password"})
        action, values, types = next((form for form in page.forms if "password" in form[2].values()), bare)
        text = next(key for key in values if types[key] in ("text", "email") and "csrf" not in key)
        secret = next(key for key in values if types[key] == "password")
        filled = {**values, text: name, secret: password}
        target = urlsplit(urljoin(self.base + path, action))
        sent = self.ask(Request(path=target.path or path, method="POST"), filled)
        return [shown, sent]


def explore(visitor: Visitor, starts: Sequence[str], limit: int) -> tuple[list[Request], list[Answer]]:
    """The pages that links lead to, at most two of a kind, and what the app was asked to find them."""
    waiting, known, kinds = list(starts), set(starts), Counter[str]()
    found: list[Request] = []
    answers: list[Answer] = []
    while waiting and len(found) < limit:
        path = waiting.pop(0)
        kind = re.sub(r"\d+|[0-9a-f-]{8,}", "#", path.partition("?")[0])
        kinds[kind] += 1
        if kinds[kind] > 2:
            continue
        request = Request(path=path)
        answer = visitor.ask(request)
        found.append(request)
        answers.append(answer)
        for link in _links(answer, visitor.base):
            if link not in known:
                known.add(link)
                waiting.append(link)
    # Besides what links lead to: what an app refuses.
    refused = [
        Request(path="/there-is-nothing-here-7/"),
        Request(path=starts[0], method="POST"),
        Request(path=starts[0], method="HEAD"),
        Request(path=starts[0], method="OPTIONS"),
        Request(path=starts[0], method="PUT"),
    ]
    return found + refused, answers


def _links(answer: Answer, base: str) -> list[str]:
    page = _Page()
    if answer.is_html:
        page.feed(answer.text)
    links = [urlsplit(urljoin(base + answer.request.path, link)) for link in page.links]
    if "location" in answer.headers:
        links.append(urlsplit(urljoin(base + answer.request.path, answer.headers["location"])))
    here = urlsplit(base)
    paths = [
        link.path + (f"?{link.query}" if link.query else "") for link in links if link.netloc == here.netloc
    ]
    return [path for path in paths if not NOT_FOLLOWED.search(path)]
