"""PyMySQL without an ORM."""

import os

import pymysql


def read(pk):
    connection = pymysql.connect(
        host=os.environ["READ_HOST"],
        port=int(os.environ["READ_PORT"]),
        user="reader",
        database="shop",
        connect_timeout=4,
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM shop_item WHERE id = %s", (pk,))  # first
        row = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM shop_item")  # second
        count = cursor.fetchone()
    connection.close()
    return [*row, *count]
