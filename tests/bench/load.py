"""Asks an address so many times, each time on a new connection, and prints how long each answer took, in
microseconds: `python load.py PORT PATH COUNT CLIENTS`. A process of its own, so that it is not counted."""

import json
import socket
import sys
import threading
import time


def ask(port: int, request: bytes) -> float:
    start = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        answer = connection.recv(65_536)
        while connection.recv(65_536):
            pass
    if not answer.startswith(b"HTTP/1.1 200"):
        sys.exit(f"the app answered {answer[:200]!r}")
    return (time.perf_counter() - start) * 1e6


def main() -> None:
    port, path, count, clients = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: bench/1\r\nAccept: */*\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
    times: list[float] = []

    def client(share: int) -> None:
        times.extend(ask(port, request) for _ in range(share))

    threads = [
        threading.Thread(target=client, args=(count // clients + (number < count % clients),))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps([round(one) for one in times]))


if __name__ == "__main__":
    main()
