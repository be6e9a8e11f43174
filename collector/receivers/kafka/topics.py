"""Which topics are read, for which signal, and where what fails goes next."""

from __future__ import annotations

import re
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
        self._wanted = [
            (topic, signal, config.of(signal).encoding) for signal in sorted(signals) for topic in config.topics(signal)
        ]

    def subscription(self) -> list[str]:
        """Return names and patterns for the client library."""
        found: list[str] = []
        for topic, _, _ in self._wanted:
            found.append(topic)
            for delay in self._letters.retry_delays:
                if topic.startswith("^"):
                    inner = f"({topic[1:].removesuffix('$')})"
                    name = self._letters.retry_topic.replace(".", r"\.")
                    found.append(f"^{name.replace('{topic}', inner).replace('{delay}', delay)}$")
                else:
                    found.append(self.retry(topic, delay))
        return found

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
                if (kind := self._plain(base)) is not None:
                    return Kind(base, kind.signal, "otlp_proto", level)
        return self._plain(topic)

    def _plain(self, topic: str) -> Kind | None:
        for wanted, signal, encoding in self._wanted:
            if topic == wanted or (wanted.startswith("^") and re.match(wanted, topic)):
                return Kind(topic, signal, encoding)
        return None

    def after(self, kind: Kind) -> Next:
        """Return where rows go that are refused when they come from such a topic."""
        delays = self._letters.retry_delays
        if kind.level >= len(delays):
            return Next(self.dead(kind.base), None)
        delay = delays[kind.level]
        return Next(self.retry(kind.base, delay), parse_duration(delay))
