"""SQLAlchemy's asynchronous engine on whichever database READ_URL names."""

import os

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

# Each request has an event loop of its own here, so none may have the connection of another.
engine = create_async_engine(os.environ["READ_URL"], poolclass=sa.NullPool, use_native_hstore=False)


async def read(pk):
    by_id = sa.text("SELECT name FROM shop_item WHERE id = :pk")
    async with engine.connect() as connection:
        found = await connection.execute(by_id, {"pk": pk})  # first
        count = await connection.execute(sa.text("SELECT count(*) FROM shop_item"))  # second
    return [found.scalar(), count.scalar()]
