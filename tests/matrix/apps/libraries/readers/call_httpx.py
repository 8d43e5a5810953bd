"""httpx."""

import os

import httpx

BASE = os.environ["READ_BASE"]


def read(pk):
    one = httpx.get(f"{BASE}/one/{pk}")  # first
    return [one.status_code, httpx.get(f"{BASE}/two?token=hunter2").status_code]  # second
