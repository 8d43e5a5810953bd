"""A Flask service with a database, as any of the agents in it may observe it; serves itself two requests."""

import importlib
import os
import sqlite3
import time

if os.environ.get("SETUP"):  # as a program sets up an agent that has no launcher
    importlib.import_module(os.environ["SETUP"])

from flask import Flask, jsonify

app = Flask("shared_house")


@app.get("/rooms/<int:number>")
def room(number: int):
    rows = sqlite3.connect(":memory:").execute("SELECT ?", (number,)).fetchall()
    app.logger.warning("looked at %s", number)
    return jsonify(rows=rows)


@app.get("/broken")
def broken():
    raise RuntimeError("the roof leaks")


if __name__ == "__main__":
    app.testing = False
    client = app.test_client()
    for path in ("/rooms/1", "/broken"):
        answer = client.get(path)
        print(path, answer.status_code, answer.get_data(as_text=True)[:40].replace("\n", " "))
    time.sleep(float(os.environ.get("STAY", "0")))
