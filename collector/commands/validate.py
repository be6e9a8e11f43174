"""`ottery validate`: is this configuration right, and if not, where and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from collector.commands.output import err, out, print_json, print_problems
from collector.config import ConfigError, LoadedConfig, load


def validate(sources: Sequence[str], *, as_json: bool) -> int:
    """Check the sources, print what was found, and return 0 when Ottery would start with them, else 1."""
    try:
        loaded = load(sources)
    except ConfigError as error:
        if as_json:
            print_json({"valid": False, "problems": [asdict(problem) for problem in error.problems], "notices": []})
        else:
            print_problems(err(), error.problems)
            count = len(error.problems)
            err().print(f"{count} problem{'s' if count > 1 else ''}", style="bold red")
        return 1
    if as_json:
        print_json({"valid": True, "problems": [], "notices": [asdict(notice) for notice in loaded.notices]})
    else:
        print_problems(err(), loaded.notices, style="yellow")
        out().print(f"valid: {_summary(loaded)}", style="green")
    return 0


def _summary(loaded: LoadedConfig) -> str:
    routes = (
        f"{name} ({', '.join(pipeline.receivers)} -> {', '.join((*pipeline.processors, *pipeline.exporters))})"
        for name, pipeline in loaded.pipelines.items()
    )
    return ", ".join(routes)
