"""Receivers for tests. Every test runs on both event loops, but those of whole SDKs, which take seconds each.

What is about gRPC runs on uvloop with the compiled engine, and on asyncio with the one in Python.
"""

import asyncio

import pytest
import uvloop

from collector.wire.codec import codec
from tests.live.otlp.receiver import running_receiver


def pytest_asyncio_loop_factories(config, item):
    loops = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return {"uvloop": loops["uvloop"]} if "sdk" in item.path.name else loops


@pytest.fixture(autouse=True)
async def engine_of_the_loop(request, monkeypatch):
    if request.module.__name__.rpartition("_")[2] not in ("grpc", "tls", "stop"):
        yield
        return
    compiled = isinstance(asyncio.get_running_loop(), uvloop.Loop)
    monkeypatch.setenv("OTTERY_CODEC", "auto" if compiled else "python")
    codec.cache_clear()
    yield
    codec.cache_clear()


@pytest.fixture
def start_otlp():
    """Start receivers: `async with start_otlp(http={...}) as otlp`."""
    return running_receiver


@pytest.fixture
async def otlp():
    async with running_receiver() as running:
        yield running
