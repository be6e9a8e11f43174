"""The receiver's page names every key that its configuration has."""

from pathlib import Path

import pytest

from collector.api import ConfigModel
from collector.receivers.otlp.config import OtlpConfig

PAGE = Path(__file__).parents[4] / "docs" / "receivers" / "otlp.md"


def models_in(annotation):
    for argument in [annotation, *getattr(annotation, "__args__", ())]:
        if isinstance(argument, type) and issubclass(argument, ConfigModel):
            yield argument


def keys_of(model):
    for name, field in model.model_fields.items():
        yield name
        for inner in models_in(field.annotation):
            yield from keys_of(inner)


@pytest.mark.skipif(not PAGE.exists(), reason="no docs beside the tests: they run on the built wheel")
@pytest.mark.parametrize("key", sorted(set(keys_of(OtlpConfig))))
def test_the_page_names_the_key(key):
    assert key in PAGE.read_text()
