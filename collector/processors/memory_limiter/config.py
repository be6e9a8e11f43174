"""Settings of `memory_limiter`, as the OpenTelemetry Collector has them."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from collector.api import ConfigModel, Duration

MEBIBYTE = 1 << 20


class MemoryLimiterConfig(ConfigModel):
    """`memory_limiter`: refuse requests while memory is short."""

    check_interval: Duration = Field(1.0, gt=0)
    """Look at the memory in use at most this often; also the delay that refused clients are told."""
    limit_mib: int = Field(0, ge=0)
    """Hard limit on the resident memory of the process, in MiB."""
    spike_limit_mib: int = Field(0, ge=0)
    """How far below the hard limit refusing begins, in MiB; 0 is a fifth of the limit."""
    limit_percentage: int = Field(0, ge=0, le=100)
    """Hard limit as a percentage of the memory there is; `limit_mib` wins over it."""
    spike_limit_percentage: int = Field(0, ge=0, le=100)
    """How far below the hard limit refusing begins, as a percentage of the memory there is."""
    min_gc_interval_when_soft_limited: Duration = 10.0
    """Above the soft limit, give memory back at most this often."""
    min_gc_interval_when_hard_limited: Duration = 0.0
    """Above the hard limit, give memory back at most this often."""
    max_gc_interval_when_soft_limited: Duration = 30.0
    """Accepted for compatibility: the waits between collections do not grow here."""
    max_gc_interval_when_hard_limited: Duration = 30.0
    """Accepted for compatibility."""

    @model_validator(mode="after")
    def _limited(self) -> Self:
        if not self.limit_mib and not self.limit_percentage:
            raise ValueError("limit_mib or limit_percentage must be set")
        if self.limit_mib and self.spike_limit_mib >= self.limit_mib:
            raise ValueError("spike_limit_mib must be less than limit_mib")
        if not self.limit_mib and self.spike_limit_percentage >= self.limit_percentage:
            raise ValueError("spike_limit_percentage must be less than limit_percentage")
        return self

    def limits(self, total: int) -> tuple[int, int]:
        """Return the soft and the hard limit in bytes, for a machine with `total` bytes of memory."""
        if self.limit_mib:
            hard, spike = self.limit_mib * MEBIBYTE, self.spike_limit_mib * MEBIBYTE
        else:
            hard, spike = total * self.limit_percentage // 100, total * self.spike_limit_percentage // 100
        return hard - (spike or hard // 5), hard
