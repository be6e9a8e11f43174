"""Names and directories of what delivery keeps on disk."""

from __future__ import annotations

import os
from pathlib import Path


def file_name(name: str) -> str:
    """Return a file's name for the id of a component or pipeline: `otlp/eu` is `otlp%2Feu`."""
    return "".join(c if c.isalnum() or c in "_-" else f"%{ord(c):02X}" for c in name)


def sync_data(file: int) -> None:
    """Make what was written to an open file outlive a loss of power. Raises OSError."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(file)
    else:  # macOS has none
        os.fsync(file)


def reserve(file: int, size: int) -> None:
    """Take the space that an open file will need, where the system can. Raises OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    elif os.fstat(file).st_size < size:
        os.ftruncate(file, size)


def sync_directory(directory: Path) -> None:
    """Make new and removed names in a directory outlive a loss of power. Raises OSError."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
