"""The page about configuration shows what Ottery really says."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from collector.cli import app

PAGE = Path(__file__).parents[2] / "docs/configuration.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the wheel has no pages")


def test_the_sample_of_a_wrong_configuration_is_answered_as_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLICKHOUSE_ADDRESS", raising=False)
    text = PAGE.read_text()
    (wrong,) = re.findall(r"^```yml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (answer,) = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    Path("ottery.yaml").write_text(wrong)
    result = CliRunner().invoke(app, ["validate", "--config", "ottery.yaml"])
    assert (result.exit_code, result.stderr) == (1, answer)


def test_every_message_in_the_table_is_in_the_code():
    table = re.findall(
        r"^\| ([^|]+) \|", PAGE.read_text().partition("| message |")[2].partition("\n## ")[0], re.MULTILINE
    )
    source = "".join(path.read_text() for path in (PAGE.parents[1] / "collector").rglob("*.py"))
    pieces = [
        piece.strip(" ;:")
        for message in table
        for piece in re.split(r"…|; |\d+|text|exporters|receivers|metrics, only traces", message)
    ]
    assert [piece for piece in pieces if len(piece) > 3 and piece not in source] == []
