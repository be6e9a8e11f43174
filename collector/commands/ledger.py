"""`ottery ledger`: received = stored + rejected + dropped + dead-lettered + in flight, for each exporter."""

from __future__ import annotations

import http.client
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson
from rich.table import Table
from rich.text import Text

from collector.commands.output import Failed, out, print_json, print_table
from collector.config import LoadedConfig, load
from collector.delivery.ledger import stored_accounts
from collector.pipeline.logs import log_directory

_TIMEOUT = 5.0
_LARGEST = 16 << 20


def ledger(sources: Sequence[str], url: str, *, as_json: bool) -> int:
    """Print the ledger; the exit code is 1 where it does not balance.

    Raises Failed when neither a running Ottery nor a log on disk can be asked.
    """
    accounts = _asked(url) if url else _found(load(sources))
    if as_json:
        print_json({"balanced": not any(account["missing"] for account in accounts), "accounts": accounts})
    else:
        _print(accounts)
    return int(any(account["missing"] for account in accounts))


def _found(config: LoadedConfig) -> list[dict[str, Any]]:
    endpoint = config.telemetry.metrics.endpoint
    try:
        return _asked(f"http://{endpoint}") if endpoint else _read(config)
    except Failed:
        return _read(config)


def _asked(url: str) -> list[dict[str, Any]]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Failed("--url: http://host:port was expected, such as http://localhost:8888")
    try:
        page = f"{parts.scheme}://{parts.netloc}/debug/ledger"
        with urllib.request.urlopen(page, timeout=_TIMEOUT) as answer:  # noqa: S310 - the scheme was checked
            document = orjson.loads(answer.read(_LARGEST))
        accounts: list[dict[str, Any]] = document["accounts"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise Failed(f"there is no ledger at {parts.scheme}://{parts.netloc}: {error}") from error
    return accounts


def _read(config: LoadedConfig) -> list[dict[str, Any]]:
    """Return what the places on disk say; that is how it was when Ottery ended, or a moment ago."""
    accounts: list[dict[str, Any]] = []
    for name, plan in config.pipelines.items():
        directory = log_directory(name, plan)
        if directory is not None and directory.is_dir():
            accounts += [account.to_dict() for account in stored_accounts(directory, name, plan.signal)]
    if not accounts:
        raise Failed("Ottery does not run here and has no log on disk; start it, or say where it is with --url")
    return accounts


def _print(accounts: Sequence[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("pipeline", "exporter"):
        table.add_column(heading, no_wrap=True)
    for heading in ("received", "stored", "rejected", "dropped", "dead-lettered", "in flight"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for account in accounts:
        counts = [account["received"], account["stored"], _sum(account["rejected"]), _sum(account["dropped"])]
        counts += [account["dead_lettered"], account["in_flight"]]
        missing = account["missing"]
        verdict = Text(f"{missing} are missing", "bold red") if missing else Text("balanced", "green")
        table.add_row(account["pipeline"], account["exporter"], *(f"{count:,}" for count in counts), verdict)
    print_table(table)
    for line in _reasons(accounts):
        out().print(line, style="dim")


def _reasons(accounts: Sequence[dict[str, Any]]) -> Iterator[str]:
    for account in accounts:
        for outcome in ("rejected", "dropped"):
            for reason, items in account[outcome].items():
                yield f"{account['pipeline']} -> {account['exporter']}: {items:,} {outcome}, {reason}"


def _sum(reasons: dict[str, int]) -> int:
    return sum(reasons.values())
