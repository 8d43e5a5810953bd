"""psycopg 3 without an ORM, asynchronously."""

import os

import psycopg


async def read(pk):
    async with await psycopg.AsyncConnection.connect(os.environ["READ_DSN"]) as connection:
        cursor = await connection.execute("SELECT name FROM shop_item WHERE id = %s", (pk,))  # first
        row = await cursor.fetchone()
        await cursor.execute("SELECT count(*) FROM shop_item")  # second
        return [*row, *await cursor.fetchone()]
