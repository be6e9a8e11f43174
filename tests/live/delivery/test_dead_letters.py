"""What a sink refuses for good: isolated, kept through a kill, shown, and delivered again when it is asked for."""

import json
import subprocess
import sys
from pathlib import Path

import kit

from collector.delivery.letters import LetterBox

OTTERY = Path(sys.executable).parent / "ottery"


def _dlq(collector, *arguments):
    command = [OTTERY, "dlq", *arguments, "--config", collector.config, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _replays(collector):
    """How often each letter was delivered again."""
    return [letter.replays for letter in LetterBox(collector.directory / "traces" / "dead_letters").letters()]


def _poison(number):
    return number % 40 == 7


def test_refused_rows_are_set_aside_one_by_one_and_delivered_again_when_asked_for(collector, sink):
    sink.rejects = _poison
    collector.start()
    for first in range(0, 120, 30):
        assert kit.send(collector.port, kit.request(first, 30)) == 200
    kit.eventually(lambda: len(sink.seen) == 117, lambda: f"{len(sink.seen)} of 117 items")
    kit.eventually(lambda: len(_replays(collector)) == 3, "three dead letters")
    kit.eventually(lambda: kit.settled(collector), "the cursor's place is written")
    collector.kill()

    letters = _dlq(collector, "list")["letters"]
    assert [(it["items"], it["exporter"], it["kind"], it["replays"]) for it in letters] == [
        (1, "otlp_http", "http_400", 0)
    ] * 3
    shown = _dlq(collector, "show", letters[0]["id"])
    (span,) = shown["otlp"]["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert _poison(int(span["spanId"], 16) - 1)

    assert len(_dlq(collector, "replay", "--all", "--dry-run")["letters"]) == 3
    assert len(_dlq(collector, "replay", "--exporter", "otlp_http", "--limit", "1")["letters"]) == 1
    collector.start()
    kit.eventually(lambda: _replays(collector) == [0, 0, 1], "it comes back")

    sink.rejects = lambda _number: False
    assert len(_dlq(collector, "replay", "--all")["letters"]) == 3
    kit.eventually(lambda: len(sink.seen) == 120, lambda: f"{len(sink.seen)} of 120 items")
    kit.eventually(lambda: _replays(collector) == [], "no dead letters")
    assert sink.repeated == 0
    assert collector.stop() == 0


def test_dropped_letters_are_gone_and_nothing_else_is(collector, sink):
    sink.rejects = _poison
    collector.start()
    assert kit.send(collector.port, kit.request(0, 60)) == 200
    kit.eventually(lambda: len(_replays(collector)) == 2, "two dead letters")
    first, second = _dlq(collector, "list")["letters"]
    assert [it["id"] for it in _dlq(collector, "drop", first["id"][:10])["letters"]] == [first["id"]]
    assert [it["id"] for it in _dlq(collector, "list", "--reason", "400")["letters"]] == [second["id"]]
    assert collector.stop() == 0
