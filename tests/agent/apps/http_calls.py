"""A script that calls a service in all the ways there are, as a user would write it."""

import asyncio
import socket
import sys

import httpx
import requests
import urllib3
from opentelemetry import context
from requests.adapters import HTTPAdapter

BASE, NOBODY = sys.argv[1], sys.argv[2]
SHARED_HEADERS = {"X-Shared": "1"}


class PatientAdapter(HTTPAdapter):
    """The usual way to give a whole session a timeout."""

    def send(self, request, **kwargs):
        kwargs["timeout"] = kwargs.get("timeout") or 7
        return super().send(request, **kwargs)


def with_requests():
    requests.get(BASE + "/requests/plain?password=hunter2&page=2")  # requests without limit
    requests.get(BASE + "/requests/number", timeout=3)
    requests.get(BASE + "/requests/pair", timeout=(3.05, 10))
    requests.get(BASE + "/requests/half", timeout=(3.05, None))
    with requests.Session() as session:
        session.mount("http://", PatientAdapter())
        session.get(BASE + "/requests/adapter")
    requests.get(BASE + "/moved", timeout=3)
    requests.get(BASE + "/status/503", timeout=3)
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=urllib3.Retry(5, backoff_factor=0)))
        session.get(BASE + "/flaky", timeout=3)
    with requests.get(BASE + "/requests/stream", timeout=3, stream=True) as response:
        print("streamed", b"".join(response.iter_content(1)).decode())
    try:
        requests.get(NOBODY + "/requests/refused", timeout=3)  # nobody there
    except requests.ConnectionError as error:
        print("refused", type(error).__name__)


def with_urllib3():
    pool = urllib3.PoolManager()
    pool.request("GET", BASE + "/urllib3/plain", headers=SHARED_HEADERS)  # urllib3 without limit
    pool.request("GET", BASE + "/urllib3/total", timeout=urllib3.Timeout(total=4))
    pool.request("GET", BASE + "/urllib3/parts", timeout=urllib3.Timeout(connect=1, read=2))
    urllib3.PoolManager(timeout=6, headers={"X-Pool": "1"}).request("GET", BASE + "/urllib3/pool")
    socket.setdefaulttimeout(9)
    urllib3.PoolManager().request("GET", BASE + "/urllib3/default")
    socket.setdefaulttimeout(None)
    print("shared headers", SHARED_HEADERS)


def with_httpx():
    httpx.get(BASE + "/httpx/plain")  # httpx with its default
    with httpx.Client(timeout=None) as client:
        client.get(BASE + "/httpx/none")
        client.get(BASE + "/httpx/own", timeout=httpx.Timeout(8, connect=2))


async def with_httpx_async():
    async with httpx.AsyncClient() as client:
        await client.get(BASE + "/httpx/async/1")  # asynchronously
        await asyncio.gather(client.get(BASE + "/httpx/async/2"), client.get(BASE + "/httpx/async/3"))


def unobserved():
    stock = (context._SUPPRESS_INSTRUMENTATION_KEY, context._SUPPRESS_HTTP_INSTRUMENTATION_KEY)
    for key in ("suppress_instrumentation", *stock):
        token = context.attach(context.set_value(key, True))
        requests.get(BASE + "/suppressed", timeout=3)
        context.detach(token)


with_requests()
with_urllib3()
with_httpx()
asyncio.run(with_httpx_async())
unobserved()
