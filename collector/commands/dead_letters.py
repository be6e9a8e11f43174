"""`ottery dlq`: what sinks refused for good, why, and what to do about it.

Letters are files, or records of a Kafka receiver's dead-letter topics, so everything here works whether or not Ottery
runs: a letter that is to be replayed is delivered by the collector that runs on the same configuration, now or when it
is next started.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import orjson
from rich.table import Table
from rich.text import Text

from collector.api import Batch, ConfigModel, Signal
from collector.api.config import parse_duration
from collector.commands.output import Failed, err, out, print_json, print_table
from collector.config import load
from collector.delivery.letters import BadLetter, Letter, State
from collector.pipeline.logs import letter_box
from collector.wire.codec import WireCodec, codec


class Box(Protocol):
    """Where dead letters are: files of a pipeline, or topics of a Kafka receiver."""

    def letters(self, state: State | None = None, /) -> Iterator[Letter]:
        """Yield the letters, the oldest first."""

    def damaged(self) -> list[Path]:
        """Return what cannot be read."""

    def read(self, letter: Letter, codec: WireCodec, /) -> Batch:
        """Return a letter's data. Raises `BadLetter`."""

    def replay(self, letter: Letter, /) -> bool:
        """Let a letter be delivered again; tell whether it was still there."""

    def drop(self, letter: Letter, /) -> bool:
        """Remove a letter; tell whether it was still there."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant; empty fields choose all. `ids` may be cut short, `since` is a duration such as 2h."""

    ids: Sequence[str] = ()
    pipeline: str = ""
    exporter: str = ""
    signal: str = ""
    reason: str = ""
    since: str = ""
    all: bool = False
    limit: int = 100

    @property
    def is_empty(self) -> bool:
        """Whether nothing was chosen at all."""
        return not (self.ids or self.pipeline or self.exporter or self.signal or self.reason or self.since or self.all)

    def holds(self, letter: Letter, now: int) -> bool:
        """Tell whether a letter is meant."""
        try:
            age = parse_duration(self.since) if self.since else 0.0
        except ValueError as error:
            raise Failed(f"--since: {error}") from error
        return (
            (not self.ids or letter.id.startswith(tuple(self.ids)))
            and self.pipeline in ("", letter.pipeline)
            and self.exporter in ("", letter.exporter)
            and self.signal in ("", letter.signal)
            and self.reason.lower() in f"{letter.kind} {letter.reason}".lower()
            and (not age or letter.time >= now - round(age * 1e9))
        )


def list_letters(sources: Sequence[str], choice: Choice, *, as_json: bool) -> int:
    """Print the letters, the oldest first."""
    boxes = _boxes(sources)
    found = [letter for _, letter in _chosen(boxes, choice)]
    shown = found[: choice.limit]
    if as_json:
        print_json({"letters": [_described(letter) for letter in shown], "total": len(found)})
        return 0
    if not found:
        out().print("No dead letters.")
        return 0
    _print_table(shown)
    items = sum(letter.items for letter in found)
    more = f", the first {len(shown)} shown" if len(shown) < len(found) else ""
    out().print(f"{len(found)} letters with {items} items{more}")
    for box in boxes:
        for path in box.damaged():
            err().print(f"{path} is damaged and left out", style="yellow")
    return 0


def show_letter(sources: Sequence[str], id: str, *, as_json: bool) -> int:  # noqa: A002 - the letter's word
    """Print one letter with its items as OTLP JSON. Raises Failed when there is none or more than one."""
    found = list(_chosen(_boxes(sources), Choice(ids=(id,))))
    if len(found) != 1:
        raise Failed(f"{len(found) or 'no'} dead letters begin with {id!r}; ottery dlq list shows them")
    box, letter = found[0]
    try:
        batch = box.read(letter, codec())
    except (BadLetter, OSError) as error:
        raise Failed(f"dead letter {letter.id} cannot be read: {error}") from error
    otlp = orjson.loads(codec().to_json(Signal(letter.signal), batch.otlp))
    if as_json:
        print_json({**_described(letter), "otlp": otlp})
        return 0
    for key, value in _described(letter).items():
        out().print(Text.assemble((f"{key:<12}", "bold"), str(value)))
    print_json(otlp)
    return 0


def replay(sources: Sequence[str], choice: Choice, *, dry_run: bool, as_json: bool) -> int:
    """Let letters be delivered again; what is refused once more comes back, marked with one replay more."""
    done = [letter for box, letter in _acted_on(sources, choice) if dry_run or box.replay(letter)]
    told = (
        "would be delivered again" if dry_run else "will be delivered again by the collector, within seconds if it runs"
    )
    return _tell(done, told, as_json=as_json)


def drop(sources: Sequence[str], choice: Choice, *, dry_run: bool, as_json: bool) -> int:
    """Remove letters for good."""
    done = [letter for box, letter in _acted_on(sources, choice) if dry_run or box.drop(letter)]
    return _tell(done, "would be removed" if dry_run else "removed", as_json=as_json)


def _acted_on(sources: Sequence[str], choice: Choice) -> list[tuple[Box, Letter]]:
    """Return the resting letters that are meant, at most as many as the limit says."""
    if choice.is_empty:
        raise Failed("say which letters: their ids, a filter such as --exporter, or --all")
    chosen = [(box, letter) for box, letter in _chosen(_boxes(sources), choice) if letter.state == "resting"]
    return chosen[: choice.limit]


def _boxes(sources: Sequence[str]) -> list[Box]:
    config = load(sources)
    found = (letter_box(name, plan) for name, plan in config.pipelines.items())
    boxes: list[Box] = [box for box in found if box is not None]
    boxes += [_kafka_box(name, block) for name, block in config.receivers.items() if _is_kafka(name)]
    if not boxes:
        raise Failed("no pipeline keeps dead letters: set service.delivery.directory, or name the file with --config")
    return boxes


def _is_kafka(receiver: str) -> bool:
    return receiver.partition("/")[0] == "kafka"


def _kafka_box(name: str, block: ConfigModel) -> Box:
    from collector.receivers.kafka.box import KafkaBox  # noqa: PLC0415 - loads the Kafka client
    from collector.receivers.kafka.config import KafkaReceiverConfig  # noqa: PLC0415 - as above

    if not isinstance(block, KafkaReceiverConfig):
        raise Failed(f"receivers.{name} is not the Kafka receiver that comes with Ottery")
    return KafkaBox(name, block)


def _chosen(boxes: Iterable[Box], choice: Choice) -> Iterator[tuple[Box, Letter]]:
    now = time.time_ns()
    found = [(box, letter) for box in boxes for letter in box.letters() if choice.holds(letter, now)]
    yield from sorted(found, key=lambda pair: pair[1].time)


def _described(letter: Letter) -> dict[str, object]:
    """Return what users see; the client's metadata may hold secrets and is left out."""
    described = asdict(letter)
    for hidden in ("context", "checksum"):
        del described[hidden]
    for key in ("time", "received_at"):
        described[key] = _utc(described[key])
    return described


def _utc(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat(timespec="milliseconds")


def _print_table(letters: Iterable[Letter]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "time", "pipeline", "exporter"):
        table.add_column(heading, no_wrap=True)
    for heading in ("items", "attempts", "replays"):
        table.add_column(heading, justify="right")
    table.add_column("state")
    table.add_column("reason", max_width=80, no_wrap=True)
    for letter in letters:
        table.add_row(
            letter.id,
            _utc(letter.time)[:19],
            letter.pipeline,
            letter.exporter,
            str(letter.items),
            str(letter.attempts),
            str(letter.replays),
            letter.state,
            Text(f"{letter.kind}: {letter.reason}"),
        )
    print_table(table)


def _tell(letters: Sequence[Letter], what: str, *, as_json: bool) -> int:
    if as_json:
        print_json({"letters": [_described(letter) for letter in letters]})
        return 0
    items = sum(letter.items for letter in letters)
    out().print(f"{len(letters)} letters with {items} items {what}.")
    return 0
