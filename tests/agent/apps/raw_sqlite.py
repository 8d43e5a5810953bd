"""sqlite3 used in all the ways there are, as a user would write it."""

import sqlite3
import sys

from opentelemetry import trace


class OwnConnection(sqlite3.Connection):
    def execute(self, *args):
        print("own execute")
        return super().execute(*args)


class OwnCursor(sqlite3.Cursor):
    pass


FILE = sys.argv[1]
with trace.get_tracer("test").start_as_current_span("work"):
    connection = sqlite3.connect(FILE)
    connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)")
    connection.executemany("INSERT INTO item (name) VALUES (?)", [("hunter2",), ("a lamp",)])  # two rows
    cursor = connection.cursor(OwnCursor)
    print(type(cursor).__name__, isinstance(cursor, OwnCursor), type(connection).__name__)
    print(cursor.execute("SELECT name FROM item WHERE name = 'hunter2'").fetchall())  # own cursor
    connection.commit()
    connection.execute("SELECT 1 FROM item")  # committed
    try:
        connection.execute("SELECT * FROM missing")  # fails
    except sqlite3.OperationalError as error:
        print("failed", error)
    connection.close()
    try:
        connection.execute("SELECT 2")
    except sqlite3.ProgrammingError as error:
        print("closed", error)
    own = sqlite3.connect(FILE, 7.5, 0, None, True, OwnConnection)
    print(own.execute("SELECT count(*) FROM item").fetchone(), isinstance(own, OwnConnection))
    own.cursor().execute("SELECT 3 FROM item")  # own connection
sqlite3.connect(FILE).execute("SELECT 4 FROM item")  # in no trace
