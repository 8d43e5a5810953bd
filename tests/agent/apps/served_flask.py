"""A Flask service in one file."""

from flask import Flask

app = Flask(__name__)


@app.get("/pay/<name>")
def pay(name):
    return "paid"
