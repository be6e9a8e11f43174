"""Names and directories of what delivery keeps on disk."""

from __future__ import annotations

import os
from pathlib import Path


def file_name(name: str) -> str:
    """Return a file's name for the id of a component or pipeline: `otlp/eu` is `otlp%2Feu`."""
    return "".join(c if c.isalnum() or c in "_-" else f"%{ord(c):02X}" for c in name)


def sync_directory(directory: Path) -> None:
    """Make new and removed names in a directory outlive a loss of power. Raises OSError."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
