"""The error tree, named by what happens next.

OtteryError
├── Overloaded   try again after a delay: 503 with Retry-After, or UNAVAILABLE with RetryInfo
├── Rejected     the sender's data is wrong: 400 or INVALID_ARGUMENT, never retried
├── TooLarge     a Rejected that broke a size limit: 413 or RESOURCE_EXHAUSTED without RetryInfo
├── Retryable    the sink may take the very same rows later
├── Permanent    the sink will never take these rows: bisect, then dead-letter
└── Fatal        an operator must act; the component becomes unhealthy and is restarted with backoff

Foreign exceptions are mapped onto these once, at the edge of a component.
"""

from __future__ import annotations


class OtteryError(Exception):
    """Root of every error that Ottery raises on purpose."""


class Overloaded(OtteryError):
    """The caller must come back later; nothing of the request was kept.

    `retry_after` is the delay in seconds that the caller is told to wait.
    """

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(OtteryError):
    """The request is wrong and will be wrong again. `reason` is shown to the sender.

    `field` names the offending place (`resource_spans[0].scope_spans`), where that is known.
    """

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


class TooLarge(Rejected):
    """The request is larger than a limit, before or after decompression."""


class Retryable(OtteryError):
    """The sink could not take the rows now. `retry_after` is its own wish in seconds, if it had one."""

    def __init__(self, message: str, retry_after: float | None = None, kind: str = "unavailable") -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.kind = kind


class Permanent(OtteryError):
    """The sink refuses rows for good.

    `rows` are the indices of the refused rows where the sink names them; None means that any of the
    batch's rows may be the cause, so the caller bisects, unless the refusal is `whole`: no part would fare better.
    `rest_stored` says that the sink has all rows but those of `rows`, which must not be sent again.
    """

    def __init__(
        self,
        reason: str,
        rows: list[int] | None = None,
        kind: str = "refused",
        *,
        whole: bool = False,
        rest_stored: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.rows = rows
        self.kind = kind
        self.whole = whole
        self.rest_stored = rest_stored


class Fatal(OtteryError):
    """The component cannot go on until an operator changes something."""
