"""The settings under which a query runs: what the client gave, and what the operator allows."""

from __future__ import annotations

from collections.abc import Mapping

from collector.query.config import ClickHouseServerConfig


def limits(config: ClickHouseServerConfig, *, streamed: bool) -> dict[str, str]:
    """Return the settings that hold a query within bounds; 0 in the configuration is no bound."""
    bounds = {
        "max_execution_time": f"{config.timeout:g}",
        "max_memory_usage": str(config.max_memory),
        "max_result_bytes": "0" if streamed else str(config.max_result_bytes),
        "max_threads": str(config.max_threads),
        # Twice as long, for the engine also reads a statement as a literal within another.
        "max_query_size": str(2 * config.max_query_size + 4096),
        "max_parser_depth": "1000",
        "max_parser_backtracks": "1000000",
    }
    return {name: value for name, value in bounds.items() if value != "0"}


def within(settings: Mapping[str, str], bounds: Mapping[str, str]) -> dict[str, str]:
    """Return all settings, of which those that ask for more than a bound are at the bound."""
    kept = {name: value for name, value in settings.items() if not _beyond(value, bounds.get(name))}
    return {**bounds, **kept}


def _beyond(value: str, bound: str | None) -> bool:
    if bound is None:
        return False
    try:
        return not 0 < float(value) <= float(bound)
    except ValueError:
        return True
