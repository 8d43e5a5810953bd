"""redis-py."""

import os

import redis

client = redis.Redis(port=int(os.environ["READ_PORT"]), db=1)


def read(pk):
    client.set(f"user:anna:{pk}", "hunter2")  # first
    with client.pipeline() as pipeline:
        pipeline.get(f"user:anna:{pk}")
        pipeline.incr("visits")
        return pipeline.execute()[0].decode() == "hunter2"  # second
