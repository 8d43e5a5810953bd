"""The shop's agreed form of an error: a problem document (RFC 9457)."""

from __future__ import annotations

from flask import Response, jsonify


def problem(status: int, title: str, detail: str) -> Response:
    answer = jsonify(type="about:blank", title=title, status=status, detail=detail)
    answer.status_code = status
    answer.mimetype = "application/problem+json"
    return answer
