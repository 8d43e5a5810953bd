"""redis-py, asynchronously."""

import os

from redis.asyncio import Redis


async def read(pk):
    client = Redis(port=int(os.environ["READ_PORT"]), db=1)
    await client.set(f"user:anna:{pk}", "hunter2")  # first
    async with client.pipeline() as pipeline:
        pipeline.get(f"user:anna:{pk}").incr("visits")
        found = await pipeline.execute()  # second
    await client.aclose()
    return found[0].decode() == "hunter2"
