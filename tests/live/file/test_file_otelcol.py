"""Ottery's files have the form of those that the real OpenTelemetry Collector writes."""

import struct
import urllib.request

import pytest
import zstandard

from collector.api import Delivery, Signal
from collector.testing import sample_batch, sample_request, settings
from collector.wire.codec import codec
from exporters.file.config import FileConfig
from exporters.file.factory import FACTORY
from tests.live.otlp_exporter.otelcol import PROGRAM, OtelCollector

ITEMS = 50
FORMS = {
    "json": {"format": "json"},
    "proto": {"format": "proto"},
    "json-zstd": {"format": "json", "compression": "zstd"},
    "proto-zstd": {"format": "proto", "compression": "zstd"},
}
FILES = [pytest.param(form, signal, id=f"{form} {signal}") for form in FORMS for signal in Signal]


class FileWriter(OtelCollector):
    """The collector, from OTLP over HTTP to a file for each form and signal."""

    def _config(self):
        exporters, pipelines = {}, {}
        for name, form in FORMS.items():
            for signal in Signal:
                exporters[f"file/{name}-{signal}"] = {"path": f"{self._folder}/{name}-{signal}", **form}
        for signal in Signal:
            out = [f"file/{name}-{signal}" for name in FORMS]
            pipelines[str(signal)] = {"receivers": ["otlp"], "exporters": out}
        return {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": self.http}}}},
            "exporters": exporters,
            "service": {"telemetry": {"metrics": {"level": "none"}}, "pipelines": pipelines},
        }


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A directory with what the collector wrote of the samples."""
    if not PROGRAM.exists():
        pytest.skip("NO OPENTELEMETRY COLLECTOR: build it with python -m tests.live.otlp_exporter.otelcol")
    folder = tmp_path_factory.mktemp("otelcol")
    collector = FileWriter(folder)
    collector.start()
    for signal in Signal:
        request = urllib.request.Request(
            f"http://{collector.http}/v1/{signal}",
            data=sample_request(signal, ITEMS),
            headers={"content-type": "application/x-protobuf"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200
    collector.stop()
    return folder


def requests(content, signal, form):
    """Return the protobuf requests in a file, read by the rules of the collector's documentation."""
    if form == "json":
        messages = content.splitlines()
    else:
        messages, position = [], 0
        while position < len(content):
            (length,) = struct.unpack_from(">I", content, position)
            messages.append(content[position + 4 : position + 4 + length])
            position += 4 + length
    if form.endswith("zstd"):
        messages = [zstandard.ZstdDecompressor().decompressobj().decompress(message) for message in messages]
    twin, limits = codec().twin, codec().limits
    return [twin.json_to_proto(signal, m, limits) if form.startswith("json") else m for m in messages]


def rows(content, signal, form):
    """Return the rows in a file. The collector gives exponential histograms negative buckets, empty ones too."""
    found = codec().decode(signal, requests(content, signal, form)).to_pylist()
    for row in found:
        if row.get("scale") is not None and not row["negative_bucket_counts"]:
            row["negative_offset"] = 0
    return found


@pytest.mark.parametrize(("form", "signal"), FILES)
async def test_the_same_rows_stand_in_the_same_form(theirs, tmp_path, form, signal):
    path = tmp_path / "ours"
    exporter = FACTORY.create(FileConfig(path=str(path), **FORMS[form]), settings("file"))
    await exporter.start()
    await exporter.push(Delivery(sample_batch(signal, ITEMS), "token"))
    await exporter.stop()
    ours, written = path.read_bytes(), (theirs / f"{form}-{signal}").read_bytes()
    assert len(rows(ours, signal, form)) == ITEMS
    assert rows(ours, signal, form) == rows(written, signal, form)
