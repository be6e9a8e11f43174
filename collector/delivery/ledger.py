"""The ledger: what was received is stored, rejected, dropped for a reason, dead-lettered, or in flight. Nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from collector.api import Metrics, Signal
from collector.delivery.disk.places import SUFFIX, PlaceFile
from collector.delivery.disk.recovery import glance
from collector.delivery.intake import FILE as INTAKE
from collector.delivery.log import Cursor, Outcome
from collector.delivery.place import BadPlace
from collector.telemetry.catalogue import OTTERY_LEDGER, OTTERY_LEDGER_BALANCED

_REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Account:
    """What one exporter was to get from one pipeline, in items since the log began.

    `outcomes` counts by `stored`, `dead_lettered`, `dropped:<reason>` and `rejected:<reason>`. What is told of a
    pipeline as a whole, because it came to its end before the log, is in the account of each of its exporters.
    """

    pipeline: str
    signal: Signal
    exporter: str
    received: int
    in_flight: int
    outcomes: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Items that were received and are nowhere; anything but 0 is a fault of Ottery's."""
        return self.received - self.in_flight - sum(self.outcomes.values())

    def total(self, outcome: str) -> int:
        """Return the items of one outcome, all reasons together."""
        return sum(items for name, items in self.outcomes.items() if name.partition(":")[0] == outcome)

    def reasons(self, outcome: str) -> dict[str, int]:
        """Return the items of one outcome by reason."""
        return {
            reason: items
            for name, items in self.outcomes.items()
            if name.startswith(f"{outcome}:") and (reason := name.partition(":")[2])
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the account as JSON tells it."""
        return {
            "pipeline": self.pipeline,
            "signal": self.signal.value,
            "exporter": self.exporter,
            "received": self.received,
            "stored": self.total(Outcome.STORED),
            "rejected": self.reasons(_REJECTED),
            "dropped": self.reasons(Outcome.DROPPED),
            "dead_lettered": self.total(Outcome.DEAD_LETTERED),
            "in_flight": self.in_flight,
            "missing": self.missing,
        }


def account(pipeline: str, signal: Signal, cursor: Cursor, intake: Mapping[str, int]) -> Account:
    """Return a cursor's account; what `intake` counts came to its end before the log, and was received as well."""
    outcomes = Counter(cursor.outcomes)
    outcomes.update(intake)
    received = cursor.received + sum(intake.values())
    return Account(pipeline, signal, cursor.name, received, cursor.undelivered, outcomes)


def stored_accounts(directory: Path, pipeline: str, signal: Signal) -> list[Account]:
    """Return the accounts that a pipeline's log on disk tells of, without opening it. Damaged files are left out."""
    intake: Mapping[str, int] = {}
    with suppress(BadPlace, OSError, ValueError):
        intake = orjson.loads(PlaceFile(directory / INTAKE, sync=False).read() or b"{}")
    appended = glance(directory).items
    accounts: list[Account] = []
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        with suppress(BadPlace, OSError):
            if (place := PlaceFile(path, sync=False).load()) is not None:
                total = max(appended, place.taken.items)
                flying = sum(portion.unsettled for portion in place.flight.values())
                outcomes = Counter(place.outcomes)
                outcomes.update(intake)
                received = total - place.origin.items + sum(intake.values())
                in_flight = total - place.taken.items + flying
                accounts.append(Account(pipeline, signal, unquote(path.stem), received, in_flight, outcomes))
    return accounts


def publish(accounts: Sequence[Account], metrics: Metrics) -> None:
    """Set the ledger's gauges."""
    for each in accounts:
        labels = {"pipeline": each.pipeline, "signal": each.signal.value, "exporter": each.exporter}
        metrics.set(OTTERY_LEDGER_BALANCED, float(each.missing == 0), **labels)
        totals = {"received": each.received, "in_flight": each.in_flight}
        for outcome in (*Outcome, _REJECTED):
            totals[outcome] = each.total(outcome)
        for name, items in totals.items():
            metrics.set(OTTERY_LEDGER, items, **labels, account=name)
