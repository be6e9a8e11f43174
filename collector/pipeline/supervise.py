"""Keeps a task of the running service alive: an error becomes a status and a restart, never a neighbour's end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from collector.api import OtteryError, RetryConfig, Settings, State
from collector.delivery.retry import Backoff
from collector.telemetry.catalogue import OTTERY_RESTARTS

_RESTART = RetryConfig(initial_interval=0.5, multiplier=2.0, max_interval=30.0)


async def supervise(work: Callable[[], Awaitable[None]], settings: Settings, kind: str) -> None:
    """Run `work` until it returns, again after each error, with growing waits."""
    backoff = Backoff(_RESTART)
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever ended the work, it is told and begun again
            cause = _first(error)
            settings.report(State.FAILED, str(cause) if isinstance(cause, OtteryError) else repr(cause))
            settings.metrics.add(OTTERY_RESTARTS, component=settings.id, kind=kind)
            known = isinstance(cause, OtteryError | OSError)
            log = settings.log.error if known else settings.log.exception
            log("component failed, restarting", component=settings.id, error=str(cause) if known else repr(cause))
            await settings.clock.sleep(backoff.next(None))
        else:
            return


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
