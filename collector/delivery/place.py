"""A cursor's place in its log: what it has passed, what is in flight, and what became of everything before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from collector.api import OtteryError
from collector.delivery.log import NOTHING, Portion, Tally


class BadPlace(OtteryError):
    """Bytes that should hold a place do not."""


@dataclass(slots=True)
class Place:
    """Everything that a cursor must not forget.

    Records below `next` were taken; those of them that are in no portion of `flight` are done. `origin` and `taken`
    count all that was appended before the cursor's first record and before `next`. `outcomes` counts items by what
    became of them, `stored`, `dead_lettered` or `dropped:<reason>`.
    """

    next: int = 0
    origin: Tally = NOTHING
    taken: Tally = NOTHING
    flight: dict[int, Portion] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)

    def needs(self, first: int, end: int) -> bool:
        """Whether a record from `first` up to but not including `end` is unread or in flight."""
        return self.next < end or any(p.first < end and p.last >= first for p in self.flight.values())

    def oldest(self) -> int:
        """Return the number of the oldest record that is not done."""
        return min(self.flight, default=self.next)

    def is_done(self, sequence: int) -> bool:
        """Whether the record was taken and is not in flight."""
        return sequence < self.next and not any(p.first <= sequence <= p.last for p in self.flight.values())

    def to_json(self) -> bytes:
        """Return the place as compact JSON."""
        return orjson.dumps(
            {
                "next": self.next,
                "origin": _numbers(self.origin),
                "taken": _numbers(self.taken),
                "flight": [
                    [p.first, p.last, p.before, *_numbers(p.tally), p.cut, p.settled] for p in self.flight.values()
                ],
                "outcomes": self.outcomes,
            }
        )

    @classmethod
    def from_json(cls, text: bytes) -> Place:
        """Return the place that `to_json` wrote. Raises `BadPlace`."""
        try:
            document: dict[str, Any] = orjson.loads(text)
            portions = [
                Portion(first, last, before, Tally(requests, items, size), cut, settled)
                for first, last, before, requests, items, size, cut, settled in document["flight"]
            ]
            return cls(
                next=document["next"],
                origin=Tally(*document["origin"]),
                taken=Tally(*document["taken"]),
                flight={portion.first: portion for portion in portions},
                outcomes=Counter(document["outcomes"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BadPlace(f"not the place of a cursor: {error!r}") from error


def _numbers(tally: Tally) -> list[int]:
    return [tally.requests, tally.items, tally.size]
