"""A Flask app that gives work of a request to threads, as a user would write it."""

import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import requests
import sqlalchemy as sa
from flask import Flask, jsonify

logging.basicConfig(level=logging.INFO)
log = logging.getLogger("threads")
app = Flask(__name__)
UPSTREAM = os.environ["SHOP_UPSTREAM"]
engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False})
shared_pool = ThreadPoolExecutor(1)
answered = threading.Event()


def price(sku):
    log.info("asking for %s", sku)
    return requests.get(f"{UPSTREAM}/price/{sku}", timeout=3).text  # the price


def count(kind):
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1")).all()  # the count
    log.info("counted %s", kind)


@app.get("/pool")
def pool():
    with ThreadPoolExecutor(2) as executor:
        return jsonify(list(executor.map(price, ("a", "b"))))


@app.get("/library")
def library():
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(requests.get, f"{UPSTREAM}/library", timeout=3).result().text  # given away


@app.get("/shared/<sku>")
def shared(sku):
    return shared_pool.submit(price, sku).result()


@app.get("/thread")
def thread():
    worker = threading.Thread(target=count, args=("things",), name="counter")
    worker.start()
    worker.join()
    return "counted"


class Counter(threading.Thread):
    def run(self):
        count("in a subclass")


@app.get("/subclass")
def subclass():
    worker = Counter()
    worker.start()
    worker.join()
    return "counted"


@app.get("/later")
def later():
    def work():
        answered.wait(30)
        count("later")

    threading.Thread(target=work).start()
    return "soon"


@app.get("/now")
def now():
    answered.set()
    return "now"


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]))
