"""The log-in form, for people whose server wants a token: it leaves a cookie that proves the token."""

from __future__ import annotations

from urllib.parse import urlsplit

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tracestitch_collector.security import SESSION_COOKIE, is_token, session_value
from tracestitch_collector.settings import Settings
from tracestitch_dashboard import addresses, rendering

PATH = "/sign-in"
SECONDS = 30 * 86_400
LONGEST_TOKEN = 1_000


def local_path(text: str) -> str:
    """Where to go afterwards: a path of ours, never an address of someone else's."""
    parts = urlsplit(text)
    odd = "\\" in text or any(ord(letter) < 32 for letter in text)
    if odd or parts.scheme or parts.netloc or not text.startswith("/") or text.startswith("//"):
        return "/"
    return text


class SignIn:
    def __init__(self, settings: Settings, templates: Environment) -> None:
        self._settings = settings
        self._template = templates.get_template("sign_in.html")

    async def form(self, request: Request) -> Response:
        wanted = local_path(request.query_params.get("next", "/"))
        if request.method == "GET":
            return rendering.html(self._template.render(next=wanted, wrong=False))
        async with request.form(max_files=0, max_fields=4, max_part_size=10_000) as form:
            token, wanted = str(form.get("token", "")), local_path(str(form.get("next", "/")))
        if not self._settings.token or not is_token(self._settings.token, token[:LONGEST_TOKEN].strip()):
            return rendering.html(self._template.render(next=wanted, wrong=True), 401)
        answer = RedirectResponse(wanted, 303)
        answer.set_cookie(
            SESSION_COOKIE,
            session_value(self._settings.token),
            max_age=SECONDS,
            httponly=True,
            samesite="lax",
            secure=self._settings.public_url.startswith("https:"),
        )
        return answer


def asked_to_sign_in() -> ASGIApp:
    """People are led to the form; programs are told 401."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        is_page = "text/html" in request.headers.get("accept", "") and request.method == "GET"
        if is_page:
            wanted = scope["path"] + (f"?{request.url.query}" if request.url.query else "")
            response: Response = RedirectResponse(addresses.with_query(PATH, {"next": wanted}), 303)
        else:
            response = rendering.as_json(
                {"error": "missing or wrong token", "detail": "Send it as “Authorization: Bearer …”."}, 401
            )
            response.headers["www-authenticate"] = "Bearer"
        await response(scope, receive, send)

    return answer
