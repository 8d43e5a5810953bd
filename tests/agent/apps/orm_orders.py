"""A script that works with a database through SQLAlchemy, as a user would write it."""

import os
import sys

import requests
import sqlalchemy as sa
from opentelemetry import trace
from sqlalchemy import orm
from sqlalchemy.exc import IntegrityError, OperationalError

os.chdir(os.path.dirname(sys.argv[1]))
engine = sa.create_engine("sqlite:///" + os.path.basename(sys.argv[1]))
BASE = sys.argv[2]
tracer = trace.get_tracer("orders")


class Base(orm.DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "shop_order"
    id = orm.mapped_column(sa.Integer, primary_key=True)
    customer = orm.mapped_column(sa.String, unique=True)
    lines = orm.relationship("Line")


class Line(Base):
    __tablename__ = "shop_line"
    id = orm.mapped_column(sa.Integer, primary_key=True)
    order_id = orm.mapped_column(sa.ForeignKey("shop_order.id"))
    sku = orm.mapped_column(sa.String)


def fill():
    with orm.Session(engine) as session:
        session.add(Order(customer="ada", lines=[Line(sku="a"), Line(sku="b")]))
        session.flush()  # first write
        session.add(Order(customer="bob"))
        session.flush()  # second write
        requests.get(BASE + "/while-writing", timeout=3)
        session.commit()  # the end of the writing
        requests.get(BASE + "/after-commit", timeout=3)


def read():
    with orm.Session(engine) as session:
        for order in session.scalars(sa.select(Order)):  # the orders
            print(order.customer, len(order.lines))  # their lines
        requests.get(BASE + "/while-reading", timeout=3)


def begin():
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT id FROM shop_order WHERE customer = 'hunter2'")).all()  # begun
    with orm.Session(engine) as session, session.begin():
        session.scalars(sa.select(Line).where(Line.id.in_([1, 2, 3]))).all()  # session begun
        requests.get(BASE + "/while-begun", timeout=3)
    with engine.connect() as connection:
        connection.execute(sa.select(Line.sku)).all()  # not begun
        connection.rollback()
        with connection.begin():
            connection.execute(sa.select(Line.order_id)).all()  # connection begun


def savepoint():
    with orm.Session(engine) as session, session.begin_nested():
        session.scalars(sa.select(Order.id)).all()  # in a savepoint


def fail():
    with engine.connect() as connection:
        try:
            connection.execute(sa.text("SELECT * FROM nowhere WHERE password = 'hunter2'"))  # no such table
        except OperationalError as error:
            print("failed", type(error).__name__)
    with orm.Session(engine) as session:
        session.add(Order(customer="ada"))
        try:
            session.commit()  # twice
        except IntegrityError as error:
            print("failed", type(error).__name__)


def insert_many():
    with engine.begin() as connection:
        connection.execute(sa.insert(Line), [{"sku": f"s{number}"} for number in range(50)])  # many


Base.metadata.create_all(engine)
with tracer.start_as_current_span("orders"):
    for step in (fill, read, begin, savepoint, fail, insert_many):
        with tracer.start_as_current_span(step.__name__):
            step()
