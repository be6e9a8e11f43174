import errno
import io
import sys

import pytest
from pydantic import ValidationError

from collector.api import Batch, Delivery, Fatal, Retryable, Signal
from collector.testing import FakeClock, sample_batch, settings
from exporters.debug.config import DebugConfig
from exporters.debug.factory import FACTORY


@pytest.fixture
async def printed(tmp_path):
    """Push batches through the exporter and return what it printed."""
    path = tmp_path / "out.txt"

    async def run(*batches: Batch, **config):
        around = settings("debug/a")
        exporter = FACTORY.create(DebugConfig(output_paths=(str(path),), **config), around)
        await exporter.start()
        for batch in batches:
            await exporter.push(Delivery(batch, "token"))
        await exporter.stop()
        return path.read_text(), around.log.lines

    return run


def batch(items: int = 1, signal: Signal = Signal.TRACES) -> Batch:
    return Batch(signal, None, requests=(b"",), items=items)


async def test_basic_is_a_line_a_batch_that_needs_no_decoding(printed):
    batches = batch(2), batch(3, Signal.METRICS), batch(4, Signal.LOGS)
    assert (await printed(*batches))[0].splitlines() == [
        "debug/a: traces, 2 spans",
        "debug/a: metrics, 3 data points",
        "debug/a: logs, 4 log records",
    ]


async def test_normal_and_detailed_print_items_below_that_line(printed):
    normal, _ = await printed(sample_batch(Signal.LOGS, 1), verbosity="normal")
    assert normal.startswith("debug/a: logs, 1 log records\nResourceLogs #0 service.name=shop\n")
    detailed, _ = await printed(sample_batch(Signal.LOGS, 1), verbosity="Detailed")
    assert detailed.removeprefix(normal).startswith("debug/a: logs, 1 log records\nResourceLogs #0\nResource Schema")


async def test_the_line_a_batch_goes_into_the_log_where_wanted(printed):
    text, log = await printed(sample_batch(Signal.TRACES, 2), verbosity="normal", use_internal_logger=True)
    assert log == [("info", "traces", {"component": "debug/a", "items": 2})]
    assert text.startswith("ResourceTraces #0")


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        pytest.param({}, 10, id="all by default"),
        pytest.param({"sampling_initial": 3, "sampling_thereafter": 4}, 3 + 1, id="every fourth"),
        pytest.param({"sampling_initial": 3, "sampling_thereafter": 0}, 3, id="none"),
        pytest.param({"sampling_initial": 0, "sampling_thereafter": 5}, 2, id="from the first"),
    ],
)
async def test_beyond_the_first_of_a_second_a_sample_is_printed(printed, config, shown):
    text, _ = await printed(*[batch() for _ in range(10)], **config)
    assert len(text.splitlines()) == shown


async def test_each_second_and_each_signal_is_sampled_for_itself(tmp_path):
    clock, path = FakeClock(), tmp_path / "out.txt"
    config = DebugConfig(output_paths=(str(path),), sampling_initial=1, sampling_thereafter=0)
    exporter = FACTORY.create(config, settings(clock=clock))
    await exporter.start()
    for _ in range(2):
        for signal in (Signal.TRACES, Signal.LOGS, Signal.TRACES):
            await exporter.push(Delivery(batch(1, signal), "token"))
        await clock.advance(1)
    await exporter.stop()
    assert [line.split()[1] for line in path.read_text().splitlines()] == ["traces,", "logs,"] * 2


async def test_control_characters_cannot_reach_the_terminal(printed):
    told = sample_batch(Signal.LOGS, 1).columns
    index = told.schema.get_field_index("body")
    evil = told.set_column(index, told.schema.field(index), ["\x1b]0;owned\x07\x9b2J\tok"])
    text, _ = await printed(sample_batch(Signal.LOGS, 1).with_columns(evil), verbosity="normal")
    assert "\\x1b]0;owned\\x07\\x9b2J\tok" in text


async def test_the_default_is_standard_output(capsys):
    exporter = FACTORY.create(DebugConfig(), settings("debug"))
    await exporter.start()
    await exporter.push(Delivery(batch(2), "token"))
    await exporter.stop()
    assert capsys.readouterr().out == "debug: traces, 2 spans\n"


async def test_a_terminal_without_unicode_gets_escapes(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii"))
    exporter = FACTORY.create(DebugConfig(output_paths=("stderr",)), settings("debug/æ"))
    await exporter.start()
    await exporter.push(Delivery(batch(2), "token"))
    await exporter.stop()
    assert raw.getvalue() == b"debug/\\xe6: traces, 2 spans\n"


class Full(io.StringIO):
    name = "<stdout>"

    def write(self, text):
        raise OSError(errno.EPIPE, "Broken pipe")


async def test_an_output_that_is_gone_is_tried_again(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Full())
    exporter = FACTORY.create(DebugConfig(), settings())
    await exporter.start()
    with pytest.raises(Retryable, match="cannot write <stdout>: Broken pipe"):
        await exporter.push(Delivery(batch(), "token"))
    await exporter.stop()


async def test_a_file_that_cannot_be_opened_stops_the_start(tmp_path):
    exporter = FACTORY.create(DebugConfig(output_paths=(str(tmp_path),)), settings())
    with pytest.raises(Fatal, match=r"output_paths: cannot write .*: Is a directory"):
        await exporter.start()


@pytest.mark.parametrize("config", [{"verbosity": "loud"}, {"sampling_initial": -1}, {"output_paths": []}])
def test_a_configuration_that_makes_no_sense_is_refused(config):
    with pytest.raises(ValidationError):
        DebugConfig(**config)
