import json
import os
import struct

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from pydantic import ValidationError

from collector.api import Batch, Delivery, Permanent, Signal
from collector.testing import settings
from collector.wire.codec import codec
from exporters.file.config import FileConfig
from exporters.file.factory import FACTORY
from exporters.file.groups import Groups


def logs(*tenants, records=2):
    """Return a batch with a resource and so many records for each tenant; None leaves the attribute out."""
    request = ExportLogsServiceRequest()
    for tenant in tenants:
        resource = request.resource_logs.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "shop"
        if isinstance(tenant, int):
            resource.resource.attributes.add(key="tenant").value.int_value = tenant
        elif tenant is not None:
            resource.resource.attributes.add(key="tenant").value.string_value = tenant
        for number in range(records):
            record = resource.scope_logs.add().log_records.add(time_unix_nano=1)
            record.body.string_value = f"{tenant} {number}"
    body = request.SerializeToString()
    return Batch(Signal.LOGS, codec(), requests=[body], items=records * len(tenants))


@pytest.fixture
async def exporter(tmp_path):
    """A started exporter that writes a file for each tenant."""
    started = []

    async def start(**group):
        config = FileConfig(
            path=f"{tmp_path}/data/*.json",
            group_by={"enabled": True, "resource_attribute": "tenant", **group},
            flush_interval="0",
        )
        started.append(FACTORY.create(config, settings("file")))
        await started[-1].start()
        return started[-1]

    yield start
    for running in started:
        await running.stop()


def bodies(tmp_path):
    """Return the bodies of the records in each file."""
    found = {}
    for path in sorted(tmp_path.glob("data/**/*.json")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found[str(path.relative_to(tmp_path / "data"))] = [
            record["body"]["stringValue"]
            for line in lines
            for resource in line["resourceLogs"]
            for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        ]
    return found


async def test_rows_go_to_the_file_that_their_resource_names(tmp_path, exporter):
    running = await exporter()
    await running.push(Delivery(logs("a", "b/c", "a"), "1"))
    await running.push(Delivery(logs("b/c", records=1), "2"))
    assert bodies(tmp_path) == {"a.json": ["a 0", "a 1", "a 0", "a 1"], "b/c.json": ["b/c 0", "b/c 1", "b/c 0"]}


async def test_a_batch_for_one_file_passes_as_the_bytes_it_is(exporter):
    running = await exporter()
    batch = logs("a", "a")
    (path, part), *rest = running._groups.split(batch, lambda _path: True)
    assert (path.name, part is batch, rest) == ("a.json", True, [])


async def test_rows_without_the_attribute_are_refused_before_anything_is_written(tmp_path, exporter):
    running = await exporter()
    with pytest.raises(Permanent, match="tenant of the resource names no file") as caught:
        await running.push(Delivery(logs("a", None, 5, "b\0", "x" * 300, "c"), "1"))
    assert caught.value.rows == [2, 3, 4, 5, 6, 7, 8, 9]
    assert caught.value.kind == "no_path"
    assert bodies(tmp_path) == {"a.json": [], "c.json": []}


async def test_a_name_that_cannot_be_a_file_does_not_hold_up_the_others(tmp_path, exporter):
    (tmp_path / "data" / "dir.json").mkdir(parents=True)
    (tmp_path / "data" / "foreign.json").write_text("not ours")
    running = await exporter()
    with pytest.raises(Permanent) as caught:
        await running.push(Delivery(logs("dir", "a", "foreign", "foreign.json/b"), "1"))
    assert caught.value.rows == [0, 1, 4, 5, 6, 7]
    assert (tmp_path / "data" / "foreign.json").read_text() == "not ours"


async def test_few_files_are_open_at_once_and_none_loses_anything(tmp_path, exporter):
    running = await exporter(max_open_files=2)
    for turn in range(3):
        await running.push(Delivery(logs("a", "b", "c", "d", records=1), str(turn)))
    assert bodies(tmp_path) == {f"{name}.json": [f"{name} 0"] * 3 for name in "abcd"}
    assert len(running._outputs._known) == 2


async def test_all_files_are_closed_also_when_some_fail(tmp_path, monkeypatch, exporter):
    running = await exporter()
    await running.push(Delivery(logs("a", "b", "c", records=1), "1"))
    outputs = list(running._outputs._known.values())

    def fail(_file):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    await running.stop()
    assert [output._file for output in outputs] == [-1, -1, -1]
    assert running._settings.log.lines[-1][:2] == ("error", "the end of the file may not be on the disk")


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("/data/*.json", "a", "/data/a.json"),
        ("/data/*.json", "a/b", "/data/a/b.json"),
        ("/data/*.json", "./a", "/data/a.json"),
        ("/data/*.json", "../etc/a", "/data/etc/a.json"),
        ("/data/*.json", "../../etc/a", "/data/etc/a.json"),
        ("/data/*.json", "a/../../etc/a", "/data/etc/a.json"),
        ("/data/*.json", "/etc/a", "/data/etc/a.json"),
        ("/data/*.json", "..", "/data/...json"),
        ("/data/*", "..", "/data"),
        ("/data/app-*", "x/../../../etc/a", "/data/app-/etc/a"),
        ("/data/app-*.json", "1", "/data/app-1.json"),
        ("data/../other/*", "a", "other/a"),
        ("./*", "../a", "a"),
    ],
)
def test_no_name_leads_out_of_the_directory(path, name, expected):
    groups = Groups(FileConfig(path=path, group_by={"enabled": True}))
    assert str(groups.path(name)) == expected


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"path": "/data/a"}, "path needs exactly one \\*"),
        ({"path": "/data/*/*"}, "path needs exactly one \\*"),
        ({"path": "*/a"}, "path needs exactly one \\*"),
        ({"path": "/data/*", "append": False}, "exclude each other"),
    ],
)
def test_a_group_that_makes_no_sense_is_refused(config, said):
    with pytest.raises(ValidationError, match=said):
        FileConfig(group_by={"enabled": True}, **config)


async def test_groups_have_the_framing_that_is_asked_for(tmp_path):
    config = FileConfig(
        path=f"{tmp_path}/*", format="proto", group_by={"enabled": True, "resource_attribute": "tenant"}
    )
    running = FACTORY.create(config, settings("file"))
    await running.start()
    batch = logs("a")
    await running.push(Delivery(batch, "1"))
    await running.stop()
    assert (tmp_path / "a").read_bytes() == struct.pack(">I", len(batch.otlp)) + batch.otlp
