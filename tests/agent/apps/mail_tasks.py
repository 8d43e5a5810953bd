"""A Celery app, as a user would write it. Its broker is a folder, unless BROKER_URL names another."""

import logging
import os
import time
from pathlib import Path

from celery import Celery
from celery.utils.log import get_task_logger

app = Celery("mail_tasks", broker=os.environ.get("BROKER_URL", "filesystem://"))
app.conf.task_always_eager = "EAGER" in os.environ
app.conf.broker_connection_retry_on_startup = True
if app.conf.broker_url == "filesystem://":
    folder = Path(os.environ["BROKER_FOLDER"])
    (folder / "messages").mkdir(exist_ok=True)
    app.conf.broker_transport_options = {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
    }
log = get_task_logger(__name__)


class PostOffice(Exception):
    pass


@app.task
def send(address):  # the send task
    log.info("sending to %s", address)
    logging.getLogger("library").warning("stamp missing")
    return address


@app.task(bind=True, max_retries=2)
def insist(self):
    try:
        raise PostOffice("closed, password=hunter2")
    except PostOffice as error:
        raise self.retry(exc=error, countdown=0)  # noqa: B904 - as the documentation of Celery has it


@app.task
def lose():
    raise PostOffice("the letter is gone")  # lost


@app.task
def forward():
    send.delay("grandchild")  # from a task


@app.task
def sort():
    """Takes its time."""
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        sorted(range(1_000))
