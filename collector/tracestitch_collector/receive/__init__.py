"""The receiver: bytes in over HTTP or gRPC, a durable record and an answer out."""
