"""A Celery app, as a user would write it, with each way there is to send a task."""

import logging
import os
import sys
from datetime import UTC, datetime, timedelta

from celery import Celery, chain, chord, group

broker = os.environ["BROKER_URL"]
app = Celery("mail", broker=broker, backend=os.environ["RESULT_URL"])
app.conf.broker_connection_retry_on_startup = True
app.conf.result_expires = 60
if broker == "filesystem://":
    folder = os.environ["BROKER_FOLDER"]
    os.makedirs(os.path.join(folder, "messages"), exist_ok=True)
    app.conf.broker_transport_options = {
        "data_folder_in": os.path.join(folder, "messages"),
        "data_folder_out": os.path.join(folder, "messages"),
        "control_folder": os.path.join(folder, "control"),
    }
app.conf.beat_schedule = {"hourly": {"task": "mail.deliver", "schedule": 0.5, "args": ("by beat",)}}
log = logging.getLogger("mail")


@app.task
def deliver(address):  # the task
    log.warning("delivering to %s", address)
    return address


@app.task
def count(addresses):
    log.warning("delivered to %s", len(addresses))
    return len(addresses)


@app.task(bind=True, max_retries=2)
def insist(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return "at last"


def send_one_of_each():
    deliver.delay("ada")
    deliver.apply_async(("eta",), eta=datetime.now(UTC) + timedelta(seconds=1))
    insist.delay()
    chain(deliver.si("first"), deliver.si("second"), deliver.si("third"))()
    group(deliver.si("left"), deliver.si("right"))()
    if not app.conf.broker_url.startswith("filesystem"):
        chord([deliver.si("one"), deliver.si("two")], count.s())()


if __name__ == "__main__":
    from opentelemetry import trace

    with trace.get_tracer("clerk").start_as_current_span("morning"):
        if sys.argv[1] == "each":
            send_one_of_each()
        else:
            for number in range(int(sys.argv[1])):
                deliver.delay(f"letter {number}")
