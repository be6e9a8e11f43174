"""Which topics are read, for which signal, and where what fails goes next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from collector.api import Signal
from collector.api.config import parse_duration
from collector.receivers.kafka.config import KafkaReceiverConfig


@dataclass(frozen=True, slots=True)
class Kind:
    """What a topic is to us. `base` is the topic that a retry topic belongs to, `level` its place among them."""

    base: str
    signal: Signal
    encoding: str
    level: int = 0

    @property
    def is_retry(self) -> bool:
        """Whether this is a topic of rows to be tried again."""
        return self.level > 0


@dataclass(frozen=True, slots=True)
class Next:
    """Where refused rows go. `delay` is in seconds, None where they stay."""

    topic: str
    delay: float | None


class Topics:
    """The topics of one receiver."""

    def __init__(self, config: KafkaReceiverConfig, signals: frozenset[Signal]) -> None:
        self._letters = config.dead_letters
        self._excluded = {signal: config.of(signal).exclude_topics for signal in sorted(signals)}
        self._wanted = [
            (topic, signal, config.of(signal).encoding) for signal in sorted(signals) for topic in config.topics(signal)
        ]

    def subscription(self) -> list[str]:
        """Return names and patterns for the client library."""
        return [name for topic, _, _ in self._wanted for name in self._with_retries(topic)]

    def _with_retries(self, topic: str) -> Iterator[str]:
        yield topic
        for delay in self._letters.retry_delays:
            if topic.startswith("^"):
                inner = f"({topic[1:].removesuffix('$')})"
                name = self._letters.retry_topic.replace(".", r"\.")
                yield f"^{name.replace('{topic}', inner).replace('{delay}', delay)}$"
            else:
                yield self.retry(topic, delay)

    def hidden(self) -> list[str]:
        """Return patterns of topics that no signal is read from, so that they need not be subscribed to.

        The library has one list for all signals, and parts it at commas. What it cannot say, `kind` does.
        """
        patterns = dict.fromkeys(pattern for excluded in self._excluded.values() for pattern in excluded)
        return [pattern for pattern in patterns if "," not in pattern and not self._is_needed(pattern)]

    def _is_needed(self, pattern: str) -> bool:
        """Whether a signal that does not exclude the pattern may be read from a topic that matches it."""
        return any(
            name.startswith("^") or re.search(pattern, name)
            for topic, signal, _ in self._wanted
            if pattern not in self._excluded[signal]
            for name in self._with_retries(topic)
        )

    def retry(self, base: str, delay: str) -> str:
        """Return the name of a retry topic."""
        return self._letters.retry_topic.replace("{topic}", base).replace("{delay}", delay)

    def dead(self, base: str) -> str:
        """Return the name of the topic where things end."""
        return self._letters.topic.replace("{topic}", base)

    def kind(self, topic: str) -> Kind | None:
        """Return what a topic is, None where it is none of ours."""
        for level, delay in enumerate(self._letters.retry_delays, 1):
            before, after = self.retry("\0", delay).split("\0")
            if topic.startswith(before) and topic.endswith(after):
                base = topic[len(before) : len(topic) - len(after)]
                if found := list(self._named(base)):
                    kind = self._wanted_of(found, base, topic)
                    return kind and Kind(base, kind.signal, "otlp_proto", level)
        return self._wanted_of(self._named(topic), topic)

    def _named(self, topic: str) -> Iterator[Kind]:
        for wanted, signal, encoding in self._wanted:
            if topic == wanted or (wanted.startswith("^") and re.match(wanted, topic)):
                yield Kind(topic, signal, encoding)

    def _wanted_of(self, kinds: Iterable[Kind], *names: str) -> Kind | None:
        """Return the first kind whose signal excludes none of the names."""
        return next((kind for kind in kinds if not any(self._leaves_out(kind.signal, name) for name in names)), None)

    def _leaves_out(self, signal: Signal, topic: str) -> bool:
        return any(re.search(pattern, topic) for pattern in self._excluded[signal])

    def after(self, kind: Kind) -> Next:
        """Return where rows go that are refused when they come from such a topic."""
        delays = self._letters.retry_delays
        if kind.level >= len(delays):
            return Next(self.dead(kind.base), None)
        delay = delays[kind.level]
        return Next(self.retry(kind.base, delay), parse_duration(delay))
