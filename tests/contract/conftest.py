"""What contract tests run on."""

import os

import pytest

from collector.wire.codec import load_twin


@pytest.fixture(params=["python", "native"], scope="session")
def twin(request):
    """Each twin of the codec in turn."""
    return _load(request.param)


@pytest.fixture(scope="session")
def native():
    """The compiled twin."""
    return _load("native")


def _load(name):
    """Return a twin. The compiled one may be missing on a laptop, not where OTTERY_REQUIRE_NATIVE is set."""
    try:
        return load_twin(name)
    except ImportError as error:
        if os.environ.get("OTTERY_REQUIRE_NATIVE"):
            pytest.fail(f"OTTERY_REQUIRE_NATIVE is set and the compiled codec is not importable: {error}")
        pytest.skip("the compiled codec is not installed, run `make native`")
