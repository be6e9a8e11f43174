"""`ottery version`: what exactly runs here."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from collector.commands.output import out

_PARTS = ("pyarrow", "clickhouse-connect", "chdb", "grpcio", "uvicorn")


def show_version() -> int:
    """Print the versions of Ottery and of the parts that matter in a bug report."""
    codec = "native" if find_spec("ottery_native") else "python"
    out().print(f"ottery {version('ottery')} (codec {codec}, Python {platform.python_version()})")
    out().print(", ".join(f"{part} {_installed(part)}" for part in _PARTS))
    return 0


def _installed(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
