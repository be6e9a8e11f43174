"""What the compiled codec says about itself: its stub, its version, its build."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from collector.api import Rejected, Signal, TooLarge
from collector.wire import codec as codecs
from collector.wire.types import Limits
from tests.contract.strategies import delimited

ROOT = Path(__file__).parents[2]
ALLOWLIST = Path(__file__).with_name("native_stub_allowlist.txt")


def test_the_stub_says_what_the_module_has(native):
    command = [sys.executable, "-m", "mypy.stubtest", native.__name__, "--ignore-unused-allowlist"]
    options = ["--allowlist", str(ALLOWLIST), "--mypy-config-file", "pyproject.toml"]
    result = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_it_is_no_debug_build_and_fits_this_ottery(native):
    assert native.build_info() == {"version": codecs.NATIVE_VERSION, "debug": False}


def test_every_place_names_one_version():
    read = lambda name: tomllib.loads((ROOT / name).read_text())  # noqa: E731 - shorter than what it stands for
    ottery, wheel, crate = read("pyproject.toml"), read("native/pyproject.toml"), read("native/Cargo.toml")
    assert ottery["project"]["optional-dependencies"]["native"] == [f"ottery-native=={codecs.NATIVE_VERSION}"]
    assert (wheel["project"]["version"], crate["package"]["version"]) == (codecs.NATIVE_VERSION,) * 2


def test_one_of_another_version_is_not_used(native, monkeypatch):
    monkeypatch.setattr(codecs, "NATIVE_VERSION", "0.0.9")
    with pytest.raises(ImportError, match=r"ottery-native 0\.1\.0 does not fit this Ottery, which needs 0\.0\.9"):
        codecs.load_twin("native")
    monkeypatch.delenv("OTTERY_CODEC", raising=False)
    assert codecs.codec.__wrapped__().name == "python"


def test_a_refusal_names_the_message_and_the_byte(native):
    span = delimited(5, b"name") + b"\x0a\x7f"
    request = delimited(1, delimited(2, delimited(2, b"") + delimited(2, span)))
    with pytest.raises(Rejected) as caught:
        native.scan(Signal.TRACES, request, Limits())
    assert caught.value.reason == "a length of 127 where 0 bytes are left at byte 16"
    assert caught.value.field == "resource_spans[0].scope_spans[0].spans[1]"


def test_more_fields_than_memory_is_kept_for_are_too_large(native):
    with pytest.raises(TooLarge, match="more than 8000000 fields"):
        native.scan(Signal.LOGS, b"\x7a\x00" * 8_000_001, Limits())
