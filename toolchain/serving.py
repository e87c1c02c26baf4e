"""How the language host is served: a gRPC server on loopback whose port is printed, which ends with its engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc

MESSAGE_LIMIT = 400 << 20  # bytes; what the engine itself allows


def serve(register: Callable[[grpc.Server], None], stop: Callable[[], None], workers: int) -> None:
    """Serve until the engine says so (it ends a host with SIGINT) or dies without a word; then call `stop`."""
    engine = os.getppid()  # taken first: the engine may die as soon as it has read the port
    server = grpc.server(ThreadPoolExecutor(max_workers=workers), options=[
        ("grpc.max_receive_message_length", MESSAGE_LIMIT), ("grpc.max_send_message_length", MESSAGE_LIMIT)])
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def end(*_: object) -> None:
        stop()
        os._exit(0)  # a running request must not hold the process

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    try:
        print(port, flush=True)
    except OSError:  # nobody is there any more
        end()
    while os.getppid() == engine:
        server.wait_for_termination(timeout=1)
    end()
