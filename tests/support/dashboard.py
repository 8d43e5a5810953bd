"""A real dashboard on a free port of this machine, over a store of the test's own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from tracestitch_collector import sockets
from tracestitch_collector.settings import Settings
from tracestitch_collector.store.store import Store
from tracestitch_dashboard.app import create_app, server_config


@contextmanager
def running(
    store: Store, settings: Settings, clock_ns: Callable[[], int] = time.time_ns, **deadlines: float
) -> Iterator[str]:
    """Yields its address."""
    listener = sockets.bind("127.0.0.1", 0)
    app = create_app(store, settings, clock_ns)
    server = uvicorn.Server(server_config(app, **deadlines))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
