"""The inventory service: stock and reservations over HTTP."""

from __future__ import annotations

import logging
import sys

from flask import Flask
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from tracestitch_demo.inventory import reservations, stock
from tracestitch_demo.inventory.models import open_catalogue

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")

app = Flask("tracestitch_demo.inventory")
app.config["CATALOGUE"] = open_catalogue()
app.register_blueprint(stock.routes)
app.register_blueprint(reservations.routes)


@app.errorhandler(404)
def not_found(error: NotFound) -> ResponseReturnValue:
    return {"error": error.description}, 404


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8802
    app.run(port=port, debug=True, use_reloader=False, threaded=True)  # pitfall: debug-exposed
