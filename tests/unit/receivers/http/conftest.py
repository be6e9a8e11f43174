"""Connections behave alike on uvloop, which Ottery runs on, and on the loop of the standard library."""

import asyncio

import uvloop


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
