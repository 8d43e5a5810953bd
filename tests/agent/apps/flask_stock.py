"""A small Flask service, as a user would write it."""

import logging
import os
import sqlite3
import sys
import time

from flask import Flask, Response, abort, jsonify, request, send_file
from flask.views import MethodView
from werkzeug.middleware.proxy_fix import ProxyFix

logging.basicConfig(level=logging.INFO)
log = logging.getLogger("stock")
app = Flask(__name__)
app.wsgi_app = ProxyFix(app.wsgi_app)


class OutOfStock(Exception):
    pass


@app.errorhandler(OutOfStock)
def out_of_stock(error: OutOfStock) -> tuple[Response, int]:
    return jsonify(code=409, detail=str(error)), 409


@app.before_request
def unlock() -> None:
    if request.path == "/stages":
        time.sleep(0.003)


@app.after_request
def lock(response: Response) -> Response:
    if request.path == "/stages":
        time.sleep(0.002)
    return response


@app.teardown_request
def sweep(error: BaseException | None) -> None:
    if request.path == "/stages":
        time.sleep(0.001)


@app.errorhandler(LookupError)
def not_found(error: LookupError) -> tuple[str, int]:
    time.sleep(0.004)
    return "no", 404


@app.get("/stages")
def stages() -> Response:
    raise LookupError


@app.get("/stock/<sku>")
def stock(sku: str) -> Response:
    log.info("looking up %s with password=%s", sku, "hunter2")
    return jsonify(sku=sku, traceparent=request.headers.get("traceparent"))


@app.get("/gone/<sku>")
def gone(sku: str) -> Response:
    raise OutOfStock(f"no {sku} left")


@app.get("/broken")
def broken() -> Response:
    raise RuntimeError("the shelf fell, token=abcdef123456")


@app.get("/missing")
def missing() -> Response:
    abort(404)


@app.get("/refused")
def refused() -> tuple[Response, int]:
    return jsonify(error="no", code=7), 422


@app.get("/stream")
def stream() -> Response:
    def rows() -> object:
        for number in range(3):
            log.info("row %d", number)
            yield f"{number}\n"

    return Response(rows(), mimetype="text/plain")


@app.get("/broken-stream")
def broken_stream() -> Response:
    def rows() -> object:
        yield "one\n"
        raise sqlite3.OperationalError("the disk went away")

    return Response(rows(), mimetype="text/plain")


@app.get("/file")
def file() -> Response:
    return send_file(__file__, mimetype="text/plain")


class Shelf(MethodView):
    def get(self) -> str:
        return "a shelf"


app.add_url_rule("/shelf", view_func=Shelf.as_view("shelf"))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        app.run(port=int(sys.argv[1]), debug=os.environ.get("SHOP_DEBUG") == "1")
