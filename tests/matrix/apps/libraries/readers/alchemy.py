"""SQLAlchemy on whichever database READ_URL names."""

import os

import sqlalchemy as sa

engine = sa.create_engine(os.environ["READ_URL"])


def read(pk):
    with engine.connect() as connection:
        name = connection.execute(  # first
            sa.text("SELECT name FROM shop_item WHERE id = :pk"), {"pk": pk}
        ).scalar()
        return [name, connection.execute(sa.text("SELECT count(*) FROM shop_item")).scalar()]  # second
