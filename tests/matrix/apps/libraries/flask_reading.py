"""A Flask app that reads through whichever module READER names."""

import asyncio
import importlib
import inspect
import logging
import os
import sys

from flask import Flask, jsonify

logging.basicConfig(level=logging.INFO)
log = logging.getLogger("reading")
app = Flask(__name__)
reader = importlib.import_module("readers." + os.environ["READER"])


@app.get("/read/<int:pk>")
def read(pk):
    log.info("reading %s", pk)
    found = reader.read(pk)
    if inspect.isawaitable(found):
        found = asyncio.run(found)
    return jsonify(found=found)


@app.get("/modules")
def modules():
    return jsonify(sorted({name.partition(".")[0] for name in sys.modules}))
