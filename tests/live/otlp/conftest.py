"""Receivers for tests. Every test runs on both event loops, but those of whole SDKs, which take seconds each."""

import asyncio

import pytest
import uvloop

from tests.live.otlp.receiver import running_receiver


def pytest_asyncio_loop_factories(config, item):
    loops = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return {"uvloop": loops["uvloop"]} if "sdk" in item.path.name else loops


@pytest.fixture
def start_otlp():
    """Start receivers: `async with start_otlp(http={...}) as otlp`."""
    return running_receiver


@pytest.fixture
async def otlp():
    async with running_receiver() as running:
        yield running
