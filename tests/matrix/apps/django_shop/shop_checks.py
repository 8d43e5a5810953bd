"""The tests of a user's project: they pass, fail and look at what an agent could disturb."""

import io
import logging
import os
import signal
import sys
import threading
import traceback
import warnings

import django
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()


def test_a_page_makes_two_queries_and_logs_twice(caplog):
    with (
        CaptureQueriesContext(
            connection,
        ) as queries,
        caplog.at_level(logging.INFO, logger="shop"),
    ):
        answer = Client(SERVER_NAME="localhost").get("/items/1/")
    assert answer.status_code == 200
    assert len(queries) == 2
    assert [record.getMessage() for record in caplog.records] == ["showing item 1", "item 1 of 1"]


def test_headers_are_those_of_the_app():
    answer = Client(SERVER_NAME="localhost").get("/items/1/")
    assert sorted(answer.headers) == ["Content-Length", "Content-Type"]


def test_an_unknown_page_is_not_found():
    assert Client(SERVER_NAME="localhost").get("/nothing/").status_code == 404


def test_that_fails():
    assert Client(SERVER_NAME="localhost").get("/items/1/").status_code == 500


@pytest.mark.xfail(strict=True)
def test_that_fails_as_expected():
    raise LookupError("as expected")


@pytest.mark.skip(reason="not today")
def test_that_is_skipped():
    pass


def test_warnings_are_errors_here():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Client(SERVER_NAME="localhost").get("/items/1/")


def test_a_traceback_has_no_stranger_in_it():
    def fails():
        raise ValueError("mine")

    try:
        thread = threading.Thread(target=fails)
        seen = []
        threading.excepthook, before = lambda found: seen.append(found), threading.excepthook
        thread.start()
        thread.join()
    finally:
        threading.excepthook = before
    text = "".join(traceback.format_tb(seen[0].exc_traceback))
    assert "tracestitch" not in text


def test_the_output_is_the_apps_own(capsys):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    log = logging.getLogger("own")
    log.addHandler(handler)
    log.warning("hello")
    assert stream.getvalue() == "hello\n"
    assert capsys.readouterr().out == ""


def test_threads_are_those_of_the_app():
    assert [thread.name for thread in threading.enumerate()] == ["MainThread"]


def test_no_handler_takes_ctrl_c():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert sys.excepthook is sys.__excepthook__
