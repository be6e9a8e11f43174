"""Every configuration that we show to people loads: the examples, the built-in defaults, and the fences in the pages."""

import re
from pathlib import Path

import pytest
import yaml

import collector.config
from collector.config import LoadedConfig, load
from collector.config.components import SECTIONS

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(ROOT.glob("examples/**/*.yaml"))
PAGES = [*ROOT.glob("README.md"), *sorted(ROOT.glob("docs/**/*.md"))]
DEFAULTS = sorted(Path(collector.config.__file__).parent.glob("defaults/*.yaml"))
FENCE = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REST = """\
receivers: {otlp: {protocols: {grpc: }}}
exporters: {debug: , file: {path: out.json}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug, file]}}}
"""
"""What a fence that shows only a part of a configuration is laid over."""

without_a_checkout = pytest.mark.skipif(not PAGES, reason="the wheel has neither examples nor pages")


def loaded(*sources: str, **environ: str) -> LoadedConfig:
    return load(sources, environ)


def _fences():
    for page in PAGES:
        for number, text in enumerate(FENCE.findall(page.read_text()), 1):
            keys = yaml.safe_load(text)
            if isinstance(keys, dict) and not keys.keys().isdisjoint(SECTIONS):
                yield pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_example_loads_with_nothing_to_say_about_it(path):
    assert loaded(str(path)).notices == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_example_begins_with_its_purpose_and_a_command(path):
    head = re.match(r"(#.*\n)+", path.read_text())[0]
    assert re.search(rf"^#  .*ottery run --config {path.relative_to(ROOT)}\b", head, re.MULTILINE)


@pytest.mark.parametrize("path", DEFAULTS, ids=lambda path: path.stem)
def test_a_built_in_default_loads(path):
    assert loaded(f"builtin:{path.stem}", CLICKHOUSE_URL="http://localhost:8123").notices == ()


@pytest.mark.parametrize("text", list(_fences()))
def test_a_configuration_in_a_page_loads(text):
    whole = "pipelines" in (yaml.safe_load(text).get("service") or {})
    assert loaded(f"yaml:{text}") if whole else loaded(f"yaml:{REST}", f"yaml:{text}")


@without_a_checkout
def test_the_pages_have_configurations():
    assert len(list(_fences())) >= 9
