"""Memory as a process that runs for long wants it: little of it idle, and none of it fetched anew for every batch."""

from __future__ import annotations

import ctypes
import gc
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT = 64 << 20
"""Bytes of freed memory that glibc may hold on to. By default it gives back what a batch took and the kernel clears
the same pages for the next one, which cost a tenth of all CPU."""

_LARGEST = 32 << 20
"""Bytes from which on an allocation gets pages of its own; glibc accepts no more."""


def settle() -> None:
    """Give back what start-up left behind, then hold on to what batches free. Call it once, when all is started."""
    gc.collect()
    gc.freeze()
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc; other libraries have other ways, and no such parameters
        libc.malloc_trim(0)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST)
