"""The command line: what can be asked for. What is done about it is in `collector.commands`.

Every command imports its module when it is called, so that `ottery --help` answers at once.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help comes in half the time
    context_settings={"help_option_names": ["-h", "--help"]},
    help="An OpenTelemetry-compatible collector: OTLP in, ClickHouse out, one command.",
    epilog="Start with `ottery run`, then `ottery demo` in another terminal.",
)

Configs = Annotated[
    list[str] | None,
    typer.Option(
        "--config",
        "-c",
        metavar="SOURCE",
        help="A YAML file, or env:NAME, or yaml:TEXT. Give it several times to lay one over the other. "
        "Without it, the built-in default runs.",
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY.PATH=VALUE", help="Change one value, such as exporters.debug.verbosity=detailed."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


class Protocol(StrEnum):
    """How `ottery demo` sends."""

    HTTP = "http"
    GRPC = "grpc"


def main() -> None:
    """Run the command line; the only place that ends the process."""
    app(prog_name="ottery")


@app.callback(invoke_without_command=True)
def _ottery(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if show_version:
        from importlib.metadata import version

        typer.echo(f"ottery {version('ottery')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def run(
    config: Configs = None,
    set_: Sets = None,
) -> None:
    """Start the collector. It runs until SIGTERM; SIGHUP makes it read its configuration again."""
    from collector.commands.output import guarded
    from collector.pipeline.run import run as start

    raise typer.Exit(guarded(lambda: start(_sources(config, set_))))


@app.command()
def validate(
    config: Configs = None,
    set_: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Check a configuration. Tells every problem at once: file, line, key and the nearest right spelling."""
    from collector.commands.output import guarded
    from collector.commands.validate import validate as check

    raise typer.Exit(guarded(lambda: check(_sources(config, set_), as_json=as_json)))


@app.command()
def components(as_json: AsJson = False) -> None:
    """List what can be configured, with signals and stability."""
    from collector.commands.components import components as show
    from collector.commands.output import guarded

    raise typer.Exit(guarded(lambda: show(as_json=as_json)))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration."""
    from collector.commands.components import schema as show
    from collector.commands.output import guarded

    raise typer.Exit(guarded(show))


@app.command()
def demo(
    endpoint: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Where OTLP is taken; by default http://localhost:4318, with gRPC http://localhost:4317.",
        ),
    ] = "",
    protocol: Annotated[Protocol, typer.Option(help="OTLP over HTTP or over gRPC.")] = Protocol.HTTP,
) -> None:
    """Send a realistic trace, logs and metrics. It is the OpenTelemetry SDK that sends them."""
    from collector.commands.demo import demo as send
    from collector.commands.output import guarded

    raise typer.Exit(guarded(lambda: send(endpoint, protocol.value)))


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help='Such as "SELECT count() FROM otel_traces".')],
    url: Annotated[
        str,
        typer.Option(
            metavar="URL", envvar="CLICKHOUSE_URL", help="The ClickHouse HTTP address, with user:password@ if needed."
        ),
    ] = "http://localhost:8123",
    output_format: Annotated[
        str | None,
        typer.Option("--format", "-f", metavar="NAME", help="A ClickHouse format, such as CSVWithNames or Vertical."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a row.")] = False,
) -> None:
    """Ask the store a question in SQL. The answer is a table, or any ClickHouse format."""
    from collector.commands.output import guarded
    from collector.commands.query import query as ask

    wanted = "JSONEachRow" if as_json else output_format
    raise typer.Exit(guarded(lambda: ask(sql, url, wanted)))


dlq = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Dead letters: what a sink refused for good, and why."
)
app.add_typer(dlq, name="dlq")

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Ids of letters, or how they begin.")]
OfPipeline = Annotated[str, typer.Option("--pipeline", metavar="NAME", help="Only letters of this pipeline.")]
OfExporter = Annotated[str, typer.Option("--exporter", metavar="NAME", help="Only letters of this exporter.")]
OfSignal = Annotated[str, typer.Option("--signal", metavar="NAME", help="Only letters of this signal.")]
OfReason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Only letters whose reason holds this text.")]
Since = Annotated[str, typer.Option("--since", metavar="AGE", help="Only letters of the last 30m, 2h and so on.")]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Most letters at once.")]
All = Annotated[bool, typer.Option("--all", help="All letters, up to the limit.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]


@dlq.command("list")
def list_dead_letters(
    *,
    config: Configs = None,
    pipeline: OfPipeline = "",
    exporter: OfExporter = "",
    signal: OfSignal = "",
    reason: OfReason = "",
    since: Since = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the oldest first."""
    from collector.commands.dead_letters import Choice, list_letters
    from collector.commands.output import guarded

    choice = Choice((), pipeline, exporter, signal, reason, since, limit=limit)
    raise typer.Exit(guarded(lambda: list_letters(config or (), choice, as_json=as_json)))


@dlq.command("show")
def show_dead_letter(
    letter: Annotated[str, typer.Argument(metavar="ID", help="The id of a letter, or how it begins.")],
    config: Configs = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with its items, as they were after redaction."""
    from collector.commands.dead_letters import show_letter
    from collector.commands.output import guarded

    raise typer.Exit(guarded(lambda: show_letter(config or (), letter, as_json=as_json)))


@dlq.command("replay")
def replay_dead_letters(
    ids: Ids = None,
    *,
    config: Configs = None,
    pipeline: OfPipeline = "",
    exporter: OfExporter = "",
    signal: OfSignal = "",
    reason: OfReason = "",
    since: Since = "",
    every: All = False,
    limit: Limit = 100,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Deliver dead letters again. What is refused once more comes back, marked, and waits for nobody."""
    from collector.commands.dead_letters import Choice, replay
    from collector.commands.output import guarded

    choice = Choice(ids or (), pipeline, exporter, signal, reason, since, every, limit)
    raise typer.Exit(guarded(lambda: replay(config or (), choice, dry_run=dry_run, as_json=as_json)))


@dlq.command("drop")
def drop_dead_letters(
    ids: Ids = None,
    *,
    config: Configs = None,
    pipeline: OfPipeline = "",
    exporter: OfExporter = "",
    signal: OfSignal = "",
    reason: OfReason = "",
    since: Since = "",
    every: All = False,
    limit: Limit = 100,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Remove dead letters for good."""
    from collector.commands.dead_letters import Choice, drop
    from collector.commands.output import guarded

    choice = Choice(ids or (), pipeline, exporter, signal, reason, since, every, limit)
    raise typer.Exit(guarded(lambda: drop(config or (), choice, dry_run=dry_run, as_json=as_json)))


@app.command()
def ledger(
    *,
    config: Configs = None,
    url: Annotated[
        str, typer.Option(metavar="URL", help="Where Ottery's metrics are; by default where the configuration says.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show what became of all items. From Ottery while it runs, else from its logs on disk."""
    from collector.commands.ledger import ledger as show
    from collector.commands.output import guarded

    raise typer.Exit(guarded(lambda: show(config or (), url, as_json=as_json)))


@app.command("version")
def show_versions() -> None:
    """Print the versions for a bug report."""
    from collector.commands.output import guarded
    from collector.commands.version import show_version

    raise typer.Exit(guarded(show_version))


def _sources(config: list[str] | None, assignments: list[str] | None) -> list[str]:
    return [*(config or ()), *(f"set:{assignment}" for assignment in assignments or ())]


if __name__ == "__main__":
    main()
