"""Chooses where a pipeline keeps its log and its dead letters."""

from __future__ import annotations

from pathlib import Path

from collector.api import Settings
from collector.config.loaded import Pipeline
from collector.delivery.dead_letters import CountedDrops, DeadLetters, KeptLetters
from collector.delivery.disk.log import DiskLog
from collector.delivery.files import file_name
from collector.delivery.intake import Intake
from collector.delivery.letters import DIRECTORY, LetterBox
from collector.delivery.log import Log
from collector.delivery.memory import MemoryLog
from collector.wire.codec import codec


def log_directory(name: str, plan: Pipeline) -> Path | None:
    """Return where the log of a pipeline lies, None where it lies in memory."""
    if not plan.delivery.directory or not plan.exporters:
        return None
    return Path(plan.delivery.directory) / file_name(name)


def deduplicates(plan: Pipeline) -> bool:
    """Tell whether requests that a pipeline's clients send again are told from new ones."""
    delivery = plan.delivery
    return bool(delivery.directory and delivery.deduplication_window and plan.signal in delivery.deduplicate_requests)


def make_log(name: str, plan: Pipeline, settings: Settings) -> Log:
    """Return the log of a pipeline, on disk where its delivery names a directory. Nothing is opened."""
    directory, delivery = log_directory(name, plan), plan.delivery
    if directory is None:
        return MemoryLog()
    return DiskLog(directory, delivery, plan.signal, codec(), settings, window=delivery.deduplication_window)


def make_intake(name: str, plan: Pipeline, settings: Settings) -> Intake:
    """Return the counters of what comes to an end before the log, on disk where the log is."""
    return Intake(log_directory(name, plan), settings.log)


def letter_box(name: str, plan: Pipeline) -> LetterBox | None:
    """Return where a pipeline's dead letters lie, None where they are only counted."""
    directory = log_directory(name, plan)
    return LetterBox(directory / DIRECTORY, plan.delivery.dead_letters_max_size) if directory else None


def make_dead_letters(name: str, plan: Pipeline, settings: Settings) -> DeadLetters:
    """Return what takes over the rows that an exporter's sink will never take."""
    box = letter_box(name, plan)
    return KeptLetters(box, name, settings) if box else CountedDrops(settings.metrics, settings.log)
