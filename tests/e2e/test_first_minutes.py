"""The five minutes of the README, walked on other ports and with another place for data."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

OTTERY = str(Path(sys.executable).with_name("ottery"))


def run(*arguments, **options):
    done = subprocess.run([OTTERY, *arguments], capture_output=True, text=True, timeout=60, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_stranger_starts_sends_and_asks(ottery):
    ottery.start()
    screen = ottery.output.read_text()
    for line in (
        rf"OTLP over gRPC +127\.0\.0\.1:{ottery.grpc}",
        rf"OTLP over HTTP +127\.0\.0\.1:{ottery.http}",
        rf"ClickHouse over HTTP.* +http://localhost:{ottery.clickhouse}",
        rf"metrics +http://localhost:{ottery.metrics}/metrics",
        rf"clickhouse exporter +chdb://{re.escape(str(ottery.directory))}/data",
        r"ottery demo$",
    ):
        assert re.search(line, screen, re.MULTILINE), (line, screen)

    said = run("demo", "--endpoint", f"http://localhost:{ottery.http}")
    trace_id = re.search(r"\b[0-9a-f]{32}\b", said)[0]
    ottery.until(lambda: ottery.count("otel_traces") >= 10, "the demo's spans")

    store = f"http://localhost:{ottery.clickhouse}"
    question = f"SELECT SpanName, StatusCode FROM otel_traces WHERE TraceId = '{trace_id}' ORDER BY Timestamp, SpanName"
    answer = [json.loads(line) for line in run("query", "--url", store, "--json", question).splitlines()]
    assert len(answer) == 10
    assert answer[0] == {"SpanName": "POST /checkout", "StatusCode": "Unset"}
    table = run("query", "--url", store, question)
    assert "POST /checkout" in table

    with urllib.request.urlopen(f"{store}/?query=SELECT+count()+FROM+otel_logs", timeout=10) as reply:
        assert int(reply.read()) == 6


def test_what_was_stored_is_there_after_a_restart(ottery):
    ottery.start()
    run("demo", "--endpoint", f"http://localhost:{ottery.http}")
    ottery.until(lambda: ottery.count("otel_traces") == 10, "the demo's spans")
    assert ottery.stop() == 0
    ottery.start()
    assert ottery.count("otel_traces") == 10
