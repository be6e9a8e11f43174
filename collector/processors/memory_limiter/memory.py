"""How much memory this process may have, and how it is given back."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa

_CGROUPS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def total_bytes(limits: Iterable[Path] = _CGROUPS) -> int:
    """Return the memory of the machine, or what the control group allows where that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *(found for path in limits if (found := _limit(path)))])


def _limit(path: Path) -> int:
    """Return the limit that a file of the control group names, 0 where there is none."""
    try:
        text = path.read_text().strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0


def give_back() -> None:
    """Collect garbage, and return what is free to the operating system as far as the allocators can."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
