"""Keys that are accepted so that a collector's configuration starts here, and that do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from collector.api import ConfigModel


@dataclass(frozen=True, slots=True)
class Inert:
    """Marks a field (in `Annotated`) that has no effect, and says why; whoever sets it is told at start."""

    reason: str


def inert_keys(block: ConfigModel, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and reason of every key in `block` that was set and has no effect."""
    for name in sorted(block.model_fields_set):
        value = getattr(block, name)
        for marker in type(block).model_fields[name].metadata:
            if isinstance(marker, Inert):
                yield f"{path}{name}", marker.reason
        if isinstance(value, ConfigModel):
            yield from inert_keys(value, f"{path}{name}.")
