"""Files under kills: what a client got an OK for is in the file, and every line of it is whole."""

import itertools
import json
import os
import random
import signal
import threading
import urllib.request

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

KILLS = int(os.environ.get("OTTERY_TEST_KILLS", "4"))


def config(server):
    return f"""
receivers:
  otlp: {{protocols: {{http: {{endpoint: "localhost:{server.http}"}}}}}}
exporters:
  file:
    path: out/logs.json
    rotation: {{max_megabytes: 1, max_backups: 0}}
    sending_queue: {{batch: {{flush_timeout: 5ms, min_size: 500}}}}
extensions:
  health_check: {{endpoint: "localhost:{server.health}"}}
service:
  extensions: [health_check]
  delivery: {{directory: delivery}}
  telemetry: {{metrics: {{address: "localhost:{server.metrics}"}}}}
  pipelines:
    logs: {{receivers: [otlp], exporters: [file]}}
"""


class Sender(threading.Thread):
    """Sends numbered records, and keeps the numbers that were taken."""

    def __init__(self, port):
        super().__init__()
        self._url = f"http://localhost:{port}/v1/logs"
        self.numbers = itertools.count()
        self.taken = []
        self.ended = threading.Event()

    def run(self):
        while not self.ended.is_set():
            number = next(self.numbers)
            try:
                self._send(number)
            except OSError:
                self.ended.wait(0.01)
            else:
                self.taken.append(number)

    def _send(self, number):
        request = ExportLogsServiceRequest()
        record = request.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=1)
        record.body.string_value = f"{number} {'x' * 5000}"
        headers = {"content-type": "application/x-protobuf"}
        urllib.request.urlopen(
            urllib.request.Request(self._url, data=request.SerializeToString(), headers=headers), timeout=5
        ).close()


def numbers(directory):
    """Return the numbers in all files; a line that is not whole is an error."""
    found = set()
    for path in directory.iterdir():
        for line in path.read_bytes().splitlines():
            for resource in json.loads(line)["resourceLogs"]:
                found.update(
                    int(record["body"]["stringValue"].split()[0])
                    for scope in resource["scopeLogs"]
                    for record in scope["logRecords"]
                )
    return found


def test_killed_at_random_moments_files_stay_whole_and_nothing_is_missing(ottery):
    ottery.write(config(ottery))
    chance, sender = random.Random(7), Sender(ottery.http)
    ottery.start()
    sender.start()
    try:
        for _ in range(KILLS):
            enough = len(sender.taken) + chance.randrange(20, 200)
            ottery.until(lambda enough=enough: len(sender.taken) >= enough, "requests")
            assert ottery.stop(signal.SIGKILL) == -signal.SIGKILL
            ottery.start()
    finally:
        sender.ended.set()
        sender.join()
    assert ottery.stop() == 0
    assert set(sender.taken) - numbers(ottery.directory / "out") == set()
    assert len(list((ottery.directory / "out").iterdir())) > 1
