"""psycopg2 without an ORM."""

import os

import psycopg2


def read(pk):
    connection = psycopg2.connect(os.environ["READ_DSN"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM shop_item WHERE id = %s", (pk,))  # first
        row = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM shop_item")  # second
        count = cursor.fetchone()
    connection.close()
    return [*row, *count]
