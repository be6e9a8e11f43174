"""The page about the command line has every command and option that there is."""

import re
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from collector.cli import app

PAGE = Path(__file__).parents[2] / "docs/cli.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the wheel has no pages")


def _commands(group, name="ottery"):
    for part, command in group.commands.items():
        yield f"{name} {part}", command
        yield from _commands(command, f"{name} {part}") if hasattr(command, "commands") else ()


COMMANDS = dict(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_its_options_are_on_the_page(name):
    page = PAGE.read_text()
    heading = " ".join(name.split()[:2])
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert section, f"docs/cli.md has no section ## {heading}"
    assert name in section[0]
    shared = page.partition("## ottery run")[2].partition("\n## ")[0]
    options = [max(option.opts, key=len) for option in COMMANDS[name].params if option.param_type_name == "option"]
    assert [option for option in options if f"`{option}" not in section[0] + shared] == []


def test_the_overview_is_the_one_that_the_help_prints():
    shown = re.search(r"\$ ottery --help\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]
    assert CliRunner().invoke(app, ["--help"], prog_name="ottery").stdout == shown


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_says_what_it_does_and_what_each_option_takes(name):
    result = CliRunner().invoke(app, [*name.split()[1:], "--help"], prog_name="ottery")
    assert result.exit_code == 0
    first = result.stdout.split("\n\n")[1].strip()
    assert re.match(r"[A-Z].*\.", first, re.DOTALL)
    assert not re.search(r"^  -.*<(str|int|int range)>", result.stdout, re.MULTILINE)
    assert max(map(len, result.stdout.splitlines())) <= 80
