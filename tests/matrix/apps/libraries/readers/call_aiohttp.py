"""aiohttp."""

import os

import aiohttp

BASE = os.environ["READ_BASE"]


async def read(pk):
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{BASE}/one/{pk}") as one:  # first
            await one.read()
        async with session.get(f"{BASE}/two?token=hunter2") as two:  # second
            return [one.status, two.status]
