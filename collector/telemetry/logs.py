"""Ottery's own log: readable lines on a terminal, JSON lines elsewhere, for our code and for libraries."""

from __future__ import annotations

import logging
import sys
from typing import Any, cast

import structlog
from structlog.typing import EventDict, Processor

from collector.api import Fatal, Logger
from collector.telemetry.config import LogsConfig
from collector.telemetry.repeats import RepeatHandler

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_LONGEST = 2000


def configure(config: LogsConfig) -> Logger:
    """Return Ottery's logger, and send what libraries log through the same handlers.

    Libraries are heard from `warn` on, or from `info` on where the level is `debug`. Calling it again replaces
    what was there. Raises `Fatal` when a log file cannot be opened.
    """
    level = _LEVELS[config.level]
    handlers = [_handler(path, config.encoding) for path in config.output_paths]
    logging.basicConfig(handlers=handlers, level=max(level, logging.WARNING), force=True)
    if config.level == "debug":
        logging.getLogger().setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    ours = logging.getLogger("ottery")
    ours.setLevel(level)
    logger = structlog.wrap_logger(
        ours,
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    return cast("Logger", logger.bind(**config.initial_fields))


def _handler(path: str, encoding: str) -> logging.Handler:
    target = _open(path)
    terminal = target.stream.isatty()
    console = encoding == "console" or (encoding == "auto" and terminal)
    target.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                clip,
                *(_console(colors=terminal) if console else _JSON),
            ],
        )
    )
    return RepeatHandler(target)


def _open(path: str) -> logging.StreamHandler[Any]:
    if path in ("stderr", "stdout"):
        return logging.StreamHandler(getattr(sys, path))
    try:
        return logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise Fatal(f"service.telemetry.logs.output_paths: cannot write {path}: {error.strerror}") from error


def clip(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Shorten long values and never print bytes: a log line holds ids, sizes and reasons, no payloads."""
    return {key: _clip(value) for key, value in event.items()}


def _clip(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]}... ({len(value)} characters)"
    return value


def _flat(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Keep a line one line: a newline in an event would let its author forge further lines."""
    event["event"] = str(event["event"]).replace("\n", "\\n").replace("\r", "\\r").replace("\x1b", "\\x1b")
    return event


def _in_order(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Put first what a reader looks for first."""
    return {"ts": event.pop("ts"), "level": event.pop("level"), "msg": event.pop("event"), **event}


_SHARED: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
]
_JSON: list[Processor] = [
    structlog.processors.format_exc_info,
    _in_order,
    structlog.processors.JSONRenderer(),
]


def _console(*, colors: bool) -> list[Processor]:
    plain = structlog.dev.plain_traceback
    return [_flat, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain, timestamp_key="ts")]
