"""A bound on the bytes that requests hold while they are being read and handed over."""

from __future__ import annotations

from threading import Lock
from types import TracebackType
from typing import Final, Self

from collector.api import Overloaded

REQUEST_OVERHEAD: Final = 8192
"""Bytes that any request costs beside its body, so that the bound also limits how many small ones are under way."""


class Admission:
    """The bytes held by all requests of a receiver. Safe to use from threads.

    A request is refused when it would go past `limit`, but one that is alone never is: a limit on the size of a
    single request is kept elsewhere.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._lock = Lock()

    def lease(self) -> Lease:
        """Return the account of one new request; use it as a context manager, which gives everything back."""
        return Lease(self)

    def _move(self, lease: Lease, size: int) -> None:
        with self._lock:
            if lease.ended:
                raise Overloaded("the request is over, so nothing more is kept of it")
            if size > 0 and self.held > lease.held and self.held + size > self.limit:
                raise Overloaded(f"requests under way already hold {self.held} bytes of the {self.limit} allowed")
            self.held += size
            lease.held += size

    def _end(self, lease: Lease) -> None:
        with self._lock:
            self.held -= lease.held
            lease.held = 0
            lease.ended = True


class Lease:
    """What one request holds."""

    __slots__ = ("_admission", "ended", "held")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.ended = False
        self.held = 0

    def take(self, size: int) -> None:
        """Hold `size` more bytes. Raises `Overloaded` when there is no room for them."""
        self._admission._move(self, size)  # noqa: SLF001 - the two classes are one thing

    def end(self) -> None:
        """Give everything back, for good: a thread that still works on the request learns it here. Safe twice."""
        self._admission._end(self)  # noqa: SLF001 - as in `take`

    def __enter__(self) -> Self:
        self.take(REQUEST_OVERHEAD)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.end()
