"""A Flask service whose answers never end, and which tries its calls again."""

import os
import time

import requests
from flask import Flask, Response, jsonify
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

app = Flask(__name__)
UPSTREAM = os.environ["UPSTREAM_URL"]


@app.get("/endless")
def endless():
    def rows():
        while True:
            yield b"row " * 4_000
            time.sleep(0.01)

    return Response(rows())


@app.get("/ends")
def ends():
    return Response(b"row" for _ in range(3))


@app.get("/slow")
def slow():
    time.sleep(1)
    return jsonify(ok=True)


@app.get("/loop")
def loop():
    for _ in range(3):
        try:
            requests.get(f"{UPSTREAM}/status/503", timeout=5).raise_for_status()
        except requests.HTTPError:
            continue
    requests.get(f"{UPSTREAM}/other", timeout=5)
    return jsonify(ok=True)


@app.get("/adapter")
def adapter():
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=Retry(total=4, backoff_factor=0)))
    return jsonify(status=session.get(f"{UPSTREAM}/flaky", timeout=5).status_code)


if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]), threaded=True)
