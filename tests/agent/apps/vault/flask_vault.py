"""A Flask app that has a secret in each place from which one might leave, as careless users write them."""

import logging
import os
import sqlite3

import requests
from celery import Celery
from flask import Flask, jsonify, request
from opentelemetry import baggage, context, trace

logging.basicConfig(level=logging.INFO)
log = logging.getLogger("vault")
app = Flask(__name__)
CANARY = os.environ["CANARY"]
app.config.update(SECRET_KEY=f"{CANARY}-settings", PAYMENT_NOTE=f"{CANARY}-note")
tasks = Celery("vault", broker="memory://", backend="cache+memory://")
tasks.conf.task_always_eager = True


@tasks.task
def charge(card, note, token=None):
    log.info("charging")
    return len(note)


@app.post("/reset/<uidb64>/<token>/")
def reset(uidb64, token):
    log.info("reset with password=%s", request.form["password"], extra={"api_key": f"{CANARY}-extra"})
    log.warning("headers %s", dict(request.headers))
    log.info('{"client_secret": "%s"}', f"{CANARY}-json")
    return jsonify(ok=True), 200, {"Set-Cookie": f"session={CANARY}-setcookie", "X-Note": f"{CANARY}-answer"}


@app.get("/calls")
def calls():
    url = os.environ["UPSTREAM_URL"].replace("://", f"://ann:{CANARY}-userinfo@")
    headers = {"Authorization": f"Bearer {CANARY}-bearer", "X-Api-Key": f"{CANARY}-header"}
    requests.get(
        f"{url}/status/200?token={CANARY}-query&q={CANARY}-q#{CANARY}-fragment", headers=headers, timeout=5
    )
    requests.post(f"{url}/status/200", json={"note": f"{CANARY}-body"}, timeout=5)
    return jsonify(ok=True)


@app.get("/queries")
def queries():
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE card (note TEXT)")
        connection.execute("INSERT INTO card VALUES (?)", (f"{CANARY}-parameter",))
        connection.execute(f"SELECT * FROM card WHERE note = '{CANARY}-literal'").fetchall()
    return jsonify(ok=True)


@app.get("/tasks")
def send_tasks():
    charge.delay(f"{CANARY}-argument", note=f"{CANARY}-keyword", token=f"{CANARY}-token")
    return jsonify(ok=True)


@app.get("/spans")
def spans():
    token = context.attach(baggage.set_baggage("note", f"{CANARY}-baggage"))
    with trace.get_tracer("vault").start_as_current_span("open") as span:
        span.set_attribute("app.password", f"{CANARY}-attribute")
        span.set_attribute("app.note", f"token={CANARY}-named")
        span.add_event("opened", {"secret": f"{CANARY}-event"})
    context.detach(token)
    return jsonify(ok=True)


@app.get("/fails")
def fails():
    password = f"{CANARY}-local"
    kept = {"api_key": f"{CANARY}-nested", "session_token": password}
    raise ValueError(f"cannot log in with password={CANARY}-message", len(kept))


@app.get("/refuses")
def refuses():
    return jsonify(code=400, detail=f"{CANARY}-detail"), 400


if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]))
