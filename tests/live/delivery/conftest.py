"""Parts of a delivery from end to end."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import kit


@pytest.fixture
def sink():
    sink = kit.Sink()
    yield sink
    sink.stop()


@pytest.fixture
def collector(tmp_path, sink):
    collector = kit.Collector(tmp_path, sink.endpoint)
    yield collector
    collector.close()


@pytest.fixture
def make_collector(tmp_path):
    made = []

    def make(endpoint, root=tmp_path, **options):
        made.append(kit.Collector(root, endpoint, **options))
        return made[-1]

    yield make
    for collector in made:
        collector.close()
