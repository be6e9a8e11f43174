"""`ottery version`: what exactly runs here."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from collector.commands.output import out
from collector.wire.codec import codec

_PARTS = ("pyarrow", "clickhouse-connect", "chdb", "grpcio", "uvicorn")


def show_version() -> int:
    """Print the versions of Ottery and of the parts that matter in a bug report."""
    out().print(f"ottery {version('ottery')} (codec {codec().name}, Python {platform.python_version()})")
    out().print(", ".join(f"{part} {_installed(part)}" for part in _PARTS))
    return 0


def _installed(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
