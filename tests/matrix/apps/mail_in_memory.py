"""Broker, sender and worker in one process: memory:// reaches no further."""

import mail
from celery.contrib.testing.worker import start_worker
from opentelemetry import trace

with start_worker(mail.app, perform_ping_check=False, pool="solo"):
    with trace.get_tracer("clerk").start_as_current_span("morning"):
        results = [mail.deliver.delay(f"letter {number}") for number in range(10)]
    for result in results:
        result.get(timeout=20)
