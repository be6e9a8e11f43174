"""`ottery version`: what exactly runs here."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from collector.commands.output import out
from collector.wire.codec import Built, codec

_PARTS = ("pyarrow", "clickhouse-connect", "chdb", "grpcio", "uvicorn")


def show_version() -> int:
    """Print the versions of Ottery and of the parts that matter in a bug report."""
    out().print(f"ottery {version('ottery')} (codec {_codec()}, Python {platform.python_version()})")
    out().print(", ".join(f"{part} {_installed(part)}" for part in _PARTS))
    return 0


def _codec() -> str:
    """Return the name of the codec that would run, and whether it is a debug build, which is many times slower."""
    twin = codec().twin
    if isinstance(twin, Built) and twin.build_info()["debug"]:
        return f"{twin.name}, a debug build"
    return twin.name


def _installed(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
