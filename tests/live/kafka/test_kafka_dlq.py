"""`ottery dlq` over the dead-letter topic of a Kafka receiver."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from collector.api import Signal
from collector.commands.dead_letters import Choice, drop, list_letters, replay, show_letter
from collector.testing import sample_request
from tests.live.kafka.consumers import new_group, pipeline, receiving, until_committed
from tests.live.kafka.other_client import ends, write
from tests.live.kafka.test_kafka_letters import BAD, Picky

OTTERY = Path(sys.executable).with_name("ottery")


def _config(directory: Path, address: str, topic: str, group: str) -> Path:
    path = directory / "ottery.yaml"
    path.write_text(f"""
receivers:
  kafka:
    brokers: ["{address}"]
    group_id: {group}
    traces: {{topics: [{topic}]}}
    dead_letters: {{retry_delays: []}}
exporters: {{debug: }}
service:
  pipelines:
    traces: {{receivers: [kafka], exporters: [debug]}}
""")
    return path


@pytest.fixture
def dlq(capsys):
    """Run what a command runs, and return what its --json says."""

    async def run(act, config: Path, *arguments, **options):
        capsys.readouterr()
        assert await asyncio.to_thread(act, [str(config)], *arguments, as_json=True, **options) == 0
        return json.loads(capsys.readouterr().out)

    return run


async def test_the_command_finds_the_letters_of_a_topic(broker, topic, tmp_path):
    config = _config(tmp_path, broker.address, topic, new_group())
    command = [OTTERY, "dlq", "list", "--config", config]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "No dead letters.\n"


async def test_letters_in_a_topic_are_listed_shown_replayed_and_dropped_each_once(broker, topic, tmp_path, dlq):
    group, sink = new_group(), Picky(BAD, times=1)
    config = _config(tmp_path, broker.address, topic, group)
    await asyncio.to_thread(write, broker.address, topic, [sample_request(Signal.TRACES, 3), b"\xff\xff"])
    options = {"traces": {"topics": [topic]}, "dead_letters": {"retry_delays": []}}
    async with (
        pipeline(sink) as consume,
        receiving(broker.address, group=group, consumers={Signal.TRACES: consume}, **options),
    ):
        await until_committed(broker.address, group, topic, 2)
        listed = await dlq(list_letters, config, Choice())
        rows, poison = sorted(listed["letters"], key=lambda letter: letter["kind"] == "poison")
        assert [(one["pipeline"], one["exporter"], one["signal"], one["items"]) for one in (rows, poison)] == [
            ("kafka", "sink0", "traces", 1),
            ("kafka", "decode", "traces", 0),
        ]
        assert (rows["reason"], rows["kind"], rows["token"]) == ("it is bad", "refused", f"{topic}/0:0-1")
        assert poison["token"] == f"{topic}/0:1-1"

        shown = await dlq(show_letter, config, rows["id"])
        (span,) = shown["otlp"]["resourceSpans"][0]["scopeSpans"][0]["spans"]
        assert span["name"] == BAD

        await dlq(replay, config, Choice(ids=(rows["id"],)), dry_run=False)
        await sink.until(lambda: BAD in sink.names, limit=30)
        await dlq(drop, config, Choice(ids=(poison["id"],)), dry_run=False)
        assert (await dlq(list_letters, config, Choice()))["letters"] == []
        before = await asyncio.to_thread(ends, broker.address, topic)
        await dlq(replay, config, Choice(all=True), dry_run=False)
        assert await asyncio.to_thread(ends, broker.address, topic) == before


async def test_poison_that_is_replayed_comes_back_as_one_letter(broker, topic, tmp_path, dlq):
    group = new_group()
    config = _config(tmp_path, broker.address, topic, group)
    await asyncio.to_thread(write, broker.address, topic, [b"\xff\xff"])
    async with receiving(broker.address, group=group, traces={"topics": [topic]}):
        await until_committed(broker.address, group, topic, 1)
        (first,) = (await dlq(list_letters, config, Choice()))["letters"]
        await dlq(replay, config, Choice(reason="poison"), dry_run=False)
        (end,) = (await asyncio.to_thread(ends, broker.address, topic)).values()
        await until_committed(broker.address, group, topic, end - 1)
        (second,) = (await dlq(list_letters, config, Choice()))["letters"]
    assert (first["id"] != second["id"], second["token"]) == (True, f"{topic}/0:1-1")
