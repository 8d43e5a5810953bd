"""A Flask app for the opt-in evidence: locals at an exception, profiles of slow requests, lines that refuse."""

import time

from flask import Flask, abort

app = Flask(__name__)


class Basket:
    def __repr__(self) -> str:
        raise AssertionError("the agent ran the app's code")


@app.route("/total/<int:count>")
def total(count: int) -> str:
    password = "hunter" + "2"
    prices = {"apple": 3, "api_key": password, "pear": 4}
    basket, note = Basket(), f"ask with password={password}"
    share = sum(value for value in prices.values() if isinstance(value, int)) / count
    return f"{share} {basket is None} {note}"


def _busy(seconds: float) -> int:
    end, turns = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        turns += 1
    return turns


@app.route("/slow")
def slow() -> str:
    return str(_busy(0.6))


@app.route("/fast")
def fast() -> str:
    return "ok"


def _find(number: int) -> str:
    if number > 3:
        abort(404)
    return "found"


@app.route("/items/<int:number>")
def item(number: int) -> str:
    return _find(number)


if __name__ == "__main__":
    import sys

    app.run(port=int(sys.argv[1]))
