"""sqlite3 without an ORM."""

import os
import sqlite3


def read(pk):
    with sqlite3.connect(os.environ["READ_DATABASE"]) as connection:
        row = connection.execute("SELECT name FROM shop_item WHERE id = ?", (pk,)).fetchone()  # first
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM shop_item")  # second
        return [*row, *cursor.fetchone()]
