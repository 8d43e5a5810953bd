"""A Flask app, as a user would write it."""

import logging
import os
import sys

import sqlalchemy as sa
from flask import Flask, jsonify

logging.basicConfig(level=logging.INFO)
log = logging.getLogger("shop")
app = Flask(__name__)
engine = sa.create_engine("sqlite:///" + os.environ["SHOP_DATABASE"], connect_args={"timeout": 30})


@app.get("/items/<int:pk>/")
def item(pk):
    log.info("showing item %s", pk)
    with engine.connect() as connection:
        found = connection.execute(  # the first query
            sa.text("SELECT name FROM shop_item WHERE id = :pk"), {"pk": pk}
        ).first()
        count = connection.scalar(sa.text("SELECT count(*) FROM shop_item"))  # the second query
    log.warning("item %s of %s", pk, count)
    return jsonify(found=found is not None, count=count)


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), debug=os.environ.get("SHOP_DEBUG") == "1")
