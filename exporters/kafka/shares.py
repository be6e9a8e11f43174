"""Records under names that are the same at every attempt, and what is in them when a broker refuses one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from collector.api import Batch, Permanent
from collector.wire.codec import codec
from exporters.kafka.pack import name_of
from exporters.kafka.producer import Record
from exporters.kafka.route import Part

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Share:
    """A record under its name. `rows` tells the numbers of its rows in the batch."""

    name: str
    record: Record
    rows: Callable[[], list[int]]

    def again(self) -> Share:
        """Return it under another name, to be sent once more."""
        return replace(self, name=f"{self.name}=")

    def halves(self, batch: Batch) -> list[Share]:
        """Return it in two, or nothing where it holds one item."""
        json = self.record.value.startswith(b"{")
        whole = _read(batch, self.record.value)
        count = whole.columns.num_rows
        middle = count // 2
        if not middle:
            return []
        halves = []
        for index, (start, end) in enumerate(((0, middle), (middle, count))):
            half = whole.slice(start, end - start).otlp
            value = codec().to_json(batch.signal, half) if json else half
            smaller = replace(self.record, value=value)
            halves.append(Share(f"{self.name}.{index}", smaller, partial(self._some, start, end)))
        return halves

    def _some(self, start: int, end: int) -> list[int]:
        return self.rows()[start:end]


Refused = Sequence[tuple[Share, Permanent]]


def parted(part: Part, values: Sequence[bytes], index: int) -> list[int]:
    """Return the numbers in the whole batch of the rows that one of a part's values holds: they lie there in order."""
    before = sum(_read(part.batch, value).columns.num_rows for value in values[:index])
    count = _read(part.batch, values[index]).columns.num_rows
    return part.numbers(list(range(before, before + count)))


def _read(batch: Batch, value: bytes) -> Batch:
    """Return what a record's value holds."""
    wire = codec()
    json = value.startswith(b"{")
    request = wire.twin.json_to_proto(batch.signal, value, wire.limits) if json else value
    return Batch(batch.signal, wire, requests=(request,), items=0)


def refusal(batch: Batch, refused: Refused) -> Permanent:
    """Return one refusal for all: of rows by number, and the first ones by name."""
    kind = refused[0][1].kind
    reasons = "; ".join(list(dict.fromkeys(error.reason for _, error in refused))[:_MOST_NAMED])
    rows = sorted(row for share, _ in refused for row in share.rows())
    if len(rows) == batch.columns.num_rows:
        return Permanent(reasons, kind=kind, whole=True)
    names = [name_of(batch.slice(row, 1)) for row in rows[:_MOST_NAMED]]
    more = f" and {len(rows) - _MOST_NAMED} more" if len(rows) > _MOST_NAMED else ""
    return Permanent(f"{reasons}: {', '.join(names)}{more}", rows=rows, kind=kind, rest_stored=True)
