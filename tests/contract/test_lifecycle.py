"""What holds for every component of the catalogue, third-party ones included: a new one brings its case here."""

import gc
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from collector.api import Component, Factory, Kind, OtteryError, Signal, Stability
from collector.config import load
from collector.pipeline.catalogue import CATALOGUE
from collector.testing import RecordingConsumer, settings

DOCS = Path(__file__).parents[2] / "docs"
NAMES = [(kind, name) for kind in Kind for name in CATALOGUE.names(kind)]
COMPONENTS = [pytest.param(kind, name, id=f"{kind}-{name}") for kind, name in NAMES]
MAPPED = {"batch"}
"""Processors that become settings of something else when configuration is loaded, and are never built."""

Make = Callable[["Place"], dict]


@dataclass
class Place:
    """What a case may use: a directory, and a port where somebody else listens."""

    directory: Path
    taken: int


@dataclass(frozen=True)
class Case:
    """`works` and `fails` make blocks with which a component starts and does not; `fails` is None where all do."""

    works: Make = lambda _place: {}
    fails: Make | None = None


def _to_nobody(_place: Place) -> dict:
    return {"endpoint": "http://127.0.0.1:1"}


def _with_missing_authority(place: Place) -> dict:
    return {"endpoint": "https://127.0.0.1:1", "tls": {"ca_file": str(place.directory / "missing.pem")}}


CASES = {
    (Kind.RECEIVER, "kafka"): Case(
        lambda place: {"brokers": [f"127.0.0.1:{place.taken}"]},
        lambda place: {"tls": {"ca_file": str(place.directory / "missing.pem")}},
    ),
    (Kind.RECEIVER, "otlp"): Case(
        lambda _place: {"protocols": {"grpc": {"endpoint": "127.0.0.1:0"}, "http": {"endpoint": "127.0.0.1:0"}}},
        lambda place: {
            "protocols": {"grpc": {"endpoint": "127.0.0.1:0"}, "http": {"endpoint": f"127.0.0.1:{place.taken}"}}
        },
    ),
    (Kind.PROCESSOR, "memory_limiter"): Case(lambda _place: {"limit_mib": 1000}),
    (Kind.EXPORTER, "clickhouse"): Case(lambda place: {"endpoint": f"http://127.0.0.1:{place.taken}", "timeout": "1s"}),
    (Kind.EXPORTER, "debug"): Case(fails=lambda place: {"output_paths": ["stdout", str(place.directory)]}),
    (Kind.EXPORTER, "file"): Case(
        lambda place: {"path": str(place.directory / "out.json")}, lambda place: {"path": str(place.directory)}
    ),
    (Kind.EXPORTER, "kafka"): Case(
        lambda place: {"brokers": [f"127.0.0.1:{place.taken}"]},
        lambda place: {"tls": {"ca_file": str(place.directory / "missing.pem")}},
    ),
    (Kind.EXPORTER, "otlp_grpc"): Case(_to_nobody, _with_missing_authority),
    (Kind.EXPORTER, "otlp_http"): Case(_to_nobody, _with_missing_authority),
    (Kind.EXTENSION, "clickhouse_server"): Case(
        lambda place: {"endpoint": "127.0.0.1:0", "path": str(place.directory)},
        lambda place: {"endpoint": f"127.0.0.1:{place.taken}", "path": str(place.directory)},
    ),
    (Kind.EXTENSION, "file_storage"): Case(lambda place: {"directory": str(place.directory / "log")}),
    (Kind.EXTENSION, "health_check"): Case(
        lambda _place: {"endpoint": "127.0.0.1:0"}, lambda place: {"endpoint": f"127.0.0.1:{place.taken}"}
    ),
    (Kind.CONNECTOR, "forward"): Case(),
}
BUILT = [pytest.param(key, id="-".join(key)) for key in CASES]
FAILING = [pytest.param(key, id="-".join(key)) for key, case in CASES.items() if case.fails]


@pytest.fixture
def place(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield Place(tmp_path, taken.getsockname()[1])


def component(key: tuple[Kind, str], make: Make, place: Place) -> Component:
    kind, name = key
    factory = CATALOGUE.find(kind, name)
    consumers = {signal: RecordingConsumer() for signal in Signal} if kind in (Kind.RECEIVER, Kind.CONNECTOR) else {}
    return factory.create(factory.config.model_validate(make(place)), settings(name, consumers=consumers))


def held() -> dict[str, int]:
    """Return what the process holds: files and sockets that are open, and threads but those of `asyncio.to_thread`."""
    gc.collect()
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]
    return {"files": sum(1 for _ in Path("/proc/self/fd").iterdir()), "threads": len(threads)}


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_a_component_says_what_it_is(kind, name):
    factory = CATALOGUE.find(kind, name)
    assert isinstance(factory, Factory)
    assert (factory.kind, factory.name) == (kind, name)
    assert isinstance(factory.stability, Stability)
    assert re.fullmatch(r"[A-Z][^\n]{15,100}\.", factory.summary)
    assert factory.signals <= frozenset(Signal)
    assert factory.signals


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_a_component_has_a_case_here(kind, name):
    assert (kind, name) in CASES or name in MAPPED


@pytest.mark.parametrize("key", BUILT)
def test_a_configuration_refuses_unknown_keys(key, place):
    with pytest.raises(ValidationError, match="no_such_key"):
        CATALOGUE.find(*key).config.model_validate({**CASES[key].works(place), "no_such_key": 1})


@pytest.mark.parametrize("key", BUILT)
def test_the_defaults_of_a_configuration_are_valid_themselves(key, place):
    model = CATALOGUE.find(*key).config
    config = model.model_validate(CASES[key].works(place))
    assert model.model_validate(config.model_dump(by_alias=True)) == config


@pytest.mark.parametrize("key", BUILT)
async def test_building_a_component_opens_nothing(key, place):
    component(key, CASES[key].works, place)  # what is imported on first use stays open
    before = held()
    built = component(key, CASES[key].works, place)
    assert held() == before
    del built


@pytest.mark.parametrize("key", BUILT)
async def test_stop_works_without_start_and_twice(key, place):
    built = component(key, CASES[key].works, place)
    await built.stop()
    await built.stop()


@pytest.mark.parametrize("key", BUILT)
async def test_stop_lets_go_of_everything_and_works_twice(key, place):
    for first in (True, False):
        built = component(key, CASES[key].works, place)
        before = held()
        await built.start()
        await built.stop()
        await built.stop()
        assert first or held() == before


@pytest.mark.parametrize("key", FAILING)
async def test_a_start_that_fails_names_the_cause_and_leaves_nothing_open(key, place):
    make = CASES[key].fails
    for first in (True, False):
        before = held()
        built = component(key, make, place)
        with pytest.raises(OtteryError, match=rf"{place.directory}|\b{place.taken}\b"):
            await built.start()
        await built.stop()
        assert first or held() == before


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_a_component_has_a_page_with_an_example_that_uses_it(kind, name):
    pages = [DOCS / kind / f"{page}.md" for page in (name, name.partition("_")[0])]
    page = next((page for page in pages if page.exists()), None)
    assert page, f"{pages[0].relative_to(DOCS.parent)} is missing"
    examples = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    whole = [text for text in examples if "pipelines" in (yaml.safe_load(text).get("service") or {})]
    using = [text for text in whole if name in _types(yaml.safe_load(text).get(kind.value))]
    assert using, f"{page.name} has no example with {name}"
    for text in using:
        load([f"yaml:{text}"], {})


def _types(section) -> set[str]:
    return {component.partition("/")[0] for component in section or {}}
