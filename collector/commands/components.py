"""`ottery components` and `ottery schema`: what is built in, and what can be configured."""

from __future__ import annotations

from rich.table import Table

from collector.api.component import Factory, Kind
from collector.commands.output import err, print_json, print_table
from collector.config.schema import json_schema
from collector.pipeline.catalogue import CATALOGUE

_STYLES = {"stable": "green", "beta": "cyan", "alpha": "yellow"}


def components(*, as_json: bool) -> int:
    """Print every component type of this installation, third-party ones too."""
    factories = list(CATALOGUE.factories())
    missing = list(CATALOGUE.missing())
    if as_json:
        unavailable = [{"kind": kind.value, "name": name, "reason": reason} for kind, name, reason in missing]
        print_json({"components": [_described(factory) for factory in factories], "unavailable": unavailable})
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("kind", "name", "signals", "stability"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what it does")
    for factory in factories:
        style = _STYLES[factory.stability]
        stability = f"[{style}]{factory.stability}[/{style}]"
        table.add_row(factory.kind, factory.name, ", ".join(_signals(factory)), stability, factory.summary)
    print_table(table)
    for _, _, reason in missing:
        err().print(reason, style="yellow")
    return 0


def schema() -> int:
    """Print the JSON Schema of a whole configuration."""
    print_json(json_schema())
    return 0


def _described(factory: Factory) -> dict[str, object]:
    return {
        "kind": factory.kind.value,
        "name": factory.name,
        "signals": _signals(factory),
        "stability": factory.stability.value,
        "summary": factory.summary,
        "aliases": [old for old, new in CATALOGUE.aliases.get(factory.kind, {}).items() if new == factory.name],
    }


def _signals(factory: Factory) -> list[str]:
    return [] if factory.kind is Kind.EXTENSION else sorted(factory.signals)
