"""A Celery worker in this process: tasks that succeed, fail, are tried again and call others."""

import logging

import celery
import requests
from celery.contrib.testing.worker import start_worker
from celery.worker import state

log = logging.getLogger("shop")
works = celery.Celery("works", broker="memory://", backend="cache+memory://")
works.conf.broker_transport_options = {"polling_interval": 0.01}
works.conf.worker_hijack_root_logger = False


@works.task
def fetch(address):
    log.info("fetching")
    return requests.get(address, timeout=5).status_code


@works.task
def fail(word):
    raise LookupError(word)


@works.task(bind=True, max_retries=2)
def insist(self):
    if self.request.retries < 1:
        raise self.retry(exc=ValueError("not yet"), countdown=0)
    return self.request.retries


@works.task
def double(number):
    return 2 * number


def worked(upstream):
    with start_worker(works, pool="solo", perform_ping_check=False, loglevel="ERROR"):
        done = [fetch.delay(upstream + "/agent").get(timeout=20, interval=0.01)]
        try:
            fail.delay("lost").get(timeout=20, interval=0.01)
        except LookupError as error:
            done.append(repr(error))
        done.append(insist.delay().get(timeout=20, interval=0.01))
        done.append((double.s(2) | double.s()).delay().get(timeout=20, interval=0.01))
        state.should_terminate = 0
        for _ in range(2):  # its loop looks up at a message, and ends after one more
            double.delay(0)
    return done
