"""`ottery validate`: is this configuration right, and if not, where and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from collector.commands.output import err, out, print_json, print_problems
from collector.config import ConfigError, LoadedConfig, Problem, load


def validate(sources: Sequence[str], *, as_json: bool) -> int:
    """Check the sources, print what was found, and return 0 when Ottery would start with them, else 1."""
    try:
        loaded = load(sources)
    except ConfigError as error:
        _tell(error.problems, error.notices, as_json=as_json)
        return 1
    _tell((), loaded.notices, as_json=as_json)
    if not as_json:
        out().print(f"valid: {_summary(loaded)}", style="green")
    return 0


def _tell(problems: Sequence[Problem], notices: Sequence[Problem], *, as_json: bool) -> None:
    if as_json:
        found = {"problems": [asdict(problem) for problem in problems], "notices": [asdict(it) for it in notices]}
        print_json({"valid": not problems, **found})
        return
    print_problems(err(), problems, notices)
    if count := len(problems):
        err().print(f"{count} problem{'s' if count > 1 else ''}", style="bold red")


def _summary(loaded: LoadedConfig) -> str:
    routes = (
        f"{name} ({', '.join(pipeline.receivers)} -> {', '.join((*pipeline.processors, *pipeline.exporters))})"
        for name, pipeline in loaded.pipelines.items()
    )
    return ", ".join(routes)
