"""So much of a Redis server as the exercise needs."""

import socket
import threading


class Cache(threading.Thread):
    """Clients get a text to GET, an error to SET, and OK to the rest."""

    def __init__(self):
        super().__init__(daemon=True)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

    def run(self):
        while True:
            connection, _ = self._listening.accept()
            with connection, connection.makefile("rwb") as stream:
                while head := stream.readline():
                    words = [(stream.readline(), stream.readline())[1].strip() for _ in range(int(head[1:]))]
                    stream.write(ANSWERS.get(words[0].upper(), b"+OK\r\n"))
                    stream.flush()


ANSWERS = {
    b"GET": b"$3\r\nada\r\n",
    b"SET": b"-WRONGTYPE not a string\r\n",
    b"HELLO": b"%1\r\n+proto\r\n:3\r\n",
}
CACHE = Cache()
