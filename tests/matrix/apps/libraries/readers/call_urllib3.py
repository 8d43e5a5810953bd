"""urllib3."""

import os

import urllib3

BASE = os.environ["READ_BASE"]


def read(pk):
    pool = urllib3.PoolManager(timeout=3)
    one = pool.request("GET", f"{BASE}/one/{pk}")  # first
    return [one.status, pool.request("GET", f"{BASE}/two?token=hunter2").status]  # second
