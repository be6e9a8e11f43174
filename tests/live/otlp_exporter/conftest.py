"""Servers that answer by a script."""

import pytest

from tests.live.otlp_exporter.exporting import running
from tests.live.otlp_exporter.scripted import GrpcSink, HttpSink


@pytest.fixture
async def http_sink():
    async with running(HttpSink()) as sink:
        yield sink


@pytest.fixture
async def grpc_sink():
    async with running(GrpcSink()) as sink:
        yield sink
