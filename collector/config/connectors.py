"""Checks that every connector joins pipelines: both ends in use, the same signals at both, and no way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from collector.api.component import Kind
from collector.api.signal import Signal
from collector.config.components import Declared
from collector.config.loaded import Pipeline
from collector.config.problems import Path, Place


def connector_problems(
    declared: Mapping[str, Declared], pipelines: Mapping[str, Pipeline]
) -> Iterator[tuple[Place, Path, str]]:
    """Yield place, path and message of everything that is wrong; connectors of an unknown type are left to others."""
    for name, connector in declared.items():
        if connector.factory is None:
            continue
        taken = {plan.signal for plan in pipelines.values() if name in plan.exporters}
        given = {plan.signal for plan in pipelines.values() if name in plan.receivers}
        for message in _ends(taken, given):
            yield connector.place, (Kind.CONNECTOR.value, name), message
    if (circle := _circle(declared, pipelines)) and (name := _joining(declared, pipelines, circle)):
        message = f"pipelines go in a circle: {' -> '.join(circle)}"
        yield declared[name].place, (Kind.CONNECTOR.value, name), message


def _ends(taken: set[Signal], given: set[Signal]) -> Iterator[str]:
    if given and not taken:
        yield "no pipeline has this among its exporters, so nothing ever reaches it"
    elif taken and not given:
        yield "no pipeline has this among its receivers, so what reaches it would be lost"
    elif missing := sorted(taken - given):
        yield f"it takes {', '.join(missing)}, but no pipeline for that has it among its receivers"


def _circle(declared: Mapping[str, Declared], pipelines: Mapping[str, Pipeline]) -> list[str]:
    """Return the names of pipelines that lead back to the first of them, which is also the last; or nothing."""
    behind = {
        name: [
            other
            for other, candidate in pipelines.items()
            if candidate.signal is plan.signal and declared.keys() & {*plan.exporters} & {*candidate.receivers}
        ]
        for name, plan in pipelines.items()
    }
    cleared: set[str] = set()
    for start in pipelines:
        if circle := _walk(start, behind, [], cleared):
            return circle
    return []


def _walk(name: str, behind: Mapping[str, list[str]], way: list[str], cleared: set[str]) -> list[str]:
    if name in way:
        return [*way[way.index(name) :], name]
    if name in cleared:
        return []
    for other in behind[name]:
        if circle := _walk(other, behind, [*way, name], cleared):
            return circle
    cleared.add(name)
    return []


def _joining(declared: Mapping[str, Declared], pipelines: Mapping[str, Pipeline], circle: list[str]) -> str:
    """Return the connector between the first two pipelines of a circle."""
    first, second = pipelines[circle[0]], pipelines[circle[1]]
    return next(name for name in declared if name in first.exporters and name in second.receivers)
