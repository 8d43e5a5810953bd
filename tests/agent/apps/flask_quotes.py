"""A Flask service that asks another one, and hides, tells or raises what goes wrong, as a user would write it."""

import contextlib
import logging
import os
import traceback

import requests
import sqlalchemy as sa
from flask import Flask, jsonify

logging.basicConfig(level=logging.INFO)
log = logging.getLogger("quotes")
app = Flask(__name__)
engine = sa.create_engine("sqlite://")
NOBODY = os.environ["NOBODY_URL"]
BROKEN = os.environ["UPSTREAM_URL"] + "/status/500"


def ask():
    return requests.get(NOBODY + "/quote", timeout=3).json()


@app.get("/hidden")
def hidden():
    try:
        quote = ask()
    except Exception:  # hides it at once
        quote = None
    return jsonify(quote=quote)


@app.get("/second-clause")
def second_clause():
    quote = {}
    try:
        quote = ask()
    except (KeyError, ValueError):
        pass
    except requests.ConnectionError:  # hides it in the second clause
        with contextlib.suppress(KeyError):
            quote["nothing"]
    return jsonify(quote=quote)


@app.get("/suppressed-by-library")
def suppressed_by_library():
    with contextlib.suppress(requests.RequestException):
        ask()
    return jsonify(quote=None)


@app.get("/status-hidden")
def status_hidden():
    try:
        requests.get(BROKEN, timeout=3).raise_for_status()
    except requests.HTTPError:  # hides the status
        return jsonify(quote=None)
    return jsonify(quote=1)


@app.get("/database-hidden")
def database_hidden():
    try:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 'hunter2' FROM nowhere"))
    except sa.exc.OperationalError:  # hides the database
        pass
    return jsonify(quote=None)


@app.get("/allowed")
def allowed():
    try:
        ask()
    except requests.RequestException:  # tracestitch: ignore[swallowed-error] quotes are decoration
        pass
    return jsonify(quote=None)


@app.get("/logged")
def logged():
    try:
        ask()
    except requests.RequestException:
        log.exception("no quote")
    return jsonify(quote=None)


@app.get("/told")
def told():
    try:
        ask()
    except requests.RequestException:
        log.warning("no quote")
    return jsonify(quote=None)


@app.get("/told-later")
def told_later():
    quote = None
    try:
        quote = ask()
    except requests.RequestException:
        pass
    if quote is None:
        log.warning("no quote")
    return jsonify(quote=quote)


@app.get("/passed-on")
def passed_on():
    failed = None
    try:
        ask()
    except requests.RequestException as error:
        failed = error
    report(failed)
    return jsonify(quote=None)


def report(error):
    log.info("it was %s", error)


class Tracker:
    def capture_exception(self, error):
        """As sentry_sdk does it."""


tracker = Tracker()


@app.get("/captured")
def captured():
    try:
        ask()
    except requests.RequestException as error:
        tracker.capture_exception(error)
    return jsonify(quote=None)


@app.get("/printed")
def printed():
    try:
        ask()
    except requests.RequestException:
        traceback.print_exc()
    return jsonify(quote=None)


@app.get("/kept")
def kept():
    failed = None
    for _ in range(1):
        with contextlib.suppress(KeyError):
            try:
                ask()
            except requests.Timeout:
                raise
            except Exception as error:  # keeps it and says nothing
                failed = error
    return jsonify(quote=None, failed=failed is not None)


class NoQuote(Exception):
    pass


@app.errorhandler(NoQuote)
def no_quote(error):
    return jsonify(code=503), 503


@app.get("/raised")
def raised():
    try:
        ask()
    except requests.RequestException as error:
        raise NoQuote() from error


@app.get("/raised-anew")
def raised_anew():
    try:
        ask()
    except requests.RequestException:
        raise NoQuote()  # noqa: B904 - as one writes it in a hurry


@app.get("/raised-and-hidden")
def raised_and_hidden():
    try:
        raised()
    except NoQuote:  # hides it further out
        pass
    return jsonify(quote=None)


@app.get("/unhandled")
def unhandled():
    try:
        ask()
    finally:
        log.info("asked")


@app.get("/ordinary")
def ordinary():
    try:
        {}["nothing"]
    except KeyError:
        pass
    return jsonify(quote=None)


if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]))
