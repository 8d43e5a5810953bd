"""httpx, asynchronously."""

import os

import httpx

BASE = os.environ["READ_BASE"]


async def read(pk):
    async with httpx.AsyncClient() as client:
        one = await client.get(f"{BASE}/one/{pk}")  # first
        two = await client.get(f"{BASE}/two?token=hunter2")  # second
    return [one.status_code, two.status_code]
