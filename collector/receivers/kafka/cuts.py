"""The cuts of a partition: which records travel together, written down so that a crash does not change it.

Before records are handed over, the end of their range is committed as the *metadata* of the offset where it begins.
Whoever reads the partition next, this process or another one, cuts the same range again, and the sink, which is
told the same token, knows it. Committing the next range says that this one is delivered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from confluent_kafka import TopicPartition

_METADATA = re.compile(r"ottery/1 (\d{1,19})")


@dataclass(frozen=True, slots=True)
class Place:
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class Cut:
    """Records from offset `start` up to but not including `end`. `stamp` is the first one's time in milliseconds."""

    place: Place
    start: int
    end: int
    stamp: int

    def origin(self, group: str) -> str:
        """Return the name of the records; the time keeps a topic that was made anew apart from its forerunner."""
        return f"{group}/{self.place}:{self.start}-{self.end}@{self.stamp}"

    def intention(self) -> TopicPartition:
        """Return the commit that says where this cut ends, before anything of it is handed over."""
        return TopicPartition(self.place.topic, self.place.partition, self.start, f"ottery/1 {self.end}")

    def conclusion(self) -> TopicPartition:
        """Return the commit that says that this cut is delivered."""
        return TopicPartition(self.place.topic, self.place.partition, self.end, "")


def written_down(committed: TopicPartition) -> int | None:
    """Return the end of the cut that begins at a committed offset, None where there is none."""
    found = _METADATA.fullmatch(committed.metadata or "")
    if found is None or committed.offset < 0:
        return None
    end = int(found[1])
    return end if end > committed.offset else None
