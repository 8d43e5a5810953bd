"""SQLAlchemy's asynchronous engine on whichever database READ_URL names."""

import os

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine


async def read(pk):
    engine = create_async_engine(os.environ["READ_URL"])
    async with engine.connect() as connection:
        found = await connection.execute(
            sa.text("SELECT name FROM shop_item WHERE id = :pk"), {"pk": pk}
        )  # first
        count = await connection.execute(sa.text("SELECT count(*) FROM shop_item"))  # second
    await engine.dispose()
    return [found.scalar(), count.scalar()]
