"""Where servers listen: TCP addresses and unix sockets."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

from collector.api import Fatal
from collector.http import bind, split_endpoint
from collector.receivers.config import GrpcServerConfig, HttpServerConfig


def bound_socket(config: HttpServerConfig) -> socket.socket:
    """Return the socket of an HTTP server, bound and listening. Raises `Fatal` when that is impossible."""
    if config.transport == "tcp":
        return bind(config.endpoint, reuse_port=config.so_reuseport)
    clear_unix_path(config.endpoint)
    bound = socket.socket(socket.AF_UNIX)
    try:
        bound.bind(config.endpoint)
    except OSError as error:
        bound.close()
        raise Fatal(f"cannot listen on {config.endpoint}: {error.strerror or error}") from error
    return bound


def grpc_target(config: GrpcServerConfig) -> str:
    """Return the address that gRPC's core binds: one numeric address, the same that `bind` takes for a name."""
    if config.transport == "unix":
        clear_unix_path(config.endpoint)
        return f"unix:{config.endpoint}"
    host, port = split_endpoint(config.endpoint)
    if not host:
        return f"[::]:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise Fatal(f"cannot listen on {config.endpoint}: {error.strerror or error}") from error
    family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    return f"{address[0]}:{port}" if family == socket.AF_INET else f"[{address[0]}]:{port}"


def clear_unix_path(path: str) -> None:
    """Remove the socket that a process which is gone left behind. Raises `Fatal` when it is anything else."""
    place = Path(path)
    if not place.exists():
        return
    if not stat.S_ISSOCK(place.stat().st_mode):
        raise Fatal(f"cannot listen on {path}: there is a file that is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            place.unlink()
        else:
            raise Fatal(f"cannot listen on {path}: another process serves it")
