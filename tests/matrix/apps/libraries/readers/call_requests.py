"""requests."""

import os

import requests

BASE = os.environ["READ_BASE"]


def read(pk):
    one = requests.get(f"{BASE}/one/{pk}", timeout=3)  # first
    return [one.status_code, requests.get(f"{BASE}/two?token=hunter2", timeout=3).status_code]  # second
