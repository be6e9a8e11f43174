"""Where servers listen: TCP addresses and unix sockets."""

from __future__ import annotations

import resource
import socket
import stat
from pathlib import Path

from collector.api import Fatal
from collector.http import bind
from collector.receivers.config import ServerConfig


def bound_socket(config: ServerConfig) -> socket.socket:
    """Return the socket of a server, bound. Raises `Fatal` when that is impossible."""
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


def address_of(config: ServerConfig, bound: socket.socket) -> str:
    """Return where a bound socket listens, for people and clients."""
    name = bound.getsockname()
    if isinstance(name, str) or config.transport == "unix":
        return config.endpoint
    host, port = name[0], name[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def most_connections() -> int:
    """Return how many connections one server may have: half of the file descriptors are for everything else."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, descriptors // 2)


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
