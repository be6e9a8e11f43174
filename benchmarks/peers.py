"""Fetches and builds what Ottery is compared with, once, into `build/bench`.

rotel comes as its PyPI wheel; the OpenTelemetry Collector is built from its Go modules with the OpenTelemetry
Collector Builder, also by `python -m benchmarks.peers`. What cannot be had is skipped with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
BUILD = ROOT / "build" / "bench"
SITE = BUILD / "site"
ROTEL = SITE / "rotel" / "rotel-agent"
PY_SPY = SITE / "bin" / "py-spy"
OTELCOL = BUILD / "otelcol" / "otelcol"
_OTELCOL_PARTS = HERE / "otelcol-builder.yaml"
OTELCOL_VERSION = "v0.165.1"
_BUILDER_VERSION = "v0.165.0"
"""The core's release that belongs to contrib's `OTELCOL_VERSION`."""
_REQUIREMENTS = HERE / "requirements.txt"


class UnavailableError(Exception):
    """A system cannot be measured here; the message says why."""


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | (environment or {})
    )
    if done.returncode:
        raise UnavailableError(f"`{' '.join(command[:4])} ...` failed: {(done.stderr or done.stdout).strip()[-400:]}")


def install_site() -> None:
    """Install rotel's wheel and the tools of the benchmarks beside the environment, never into it."""
    stamp = SITE / ".ready"
    if stamp.exists() and stamp.read_text() == _REQUIREMENTS.read_text():
        return
    uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    if not Path(uv).exists():
        raise UnavailableError("uv is missing: run `make setup`")
    shutil.rmtree(SITE, ignore_errors=True)
    options = ["--quiet", "--python", sys.executable, "--target", str(SITE), "--require-hashes"]
    _run([uv, "pip", "install", *options, "-r", str(_REQUIREMENTS)])
    stamp.write_text(_REQUIREMENTS.read_text())


def rotel() -> Path:
    """Return rotel's program. Raises `UnavailableError`."""
    install_site()
    return ROTEL


def otelcol() -> Path:
    """Return the OpenTelemetry Collector, built where it is not yet. Raises `UnavailableError`."""
    install_site()
    stamp = OTELCOL.with_name(".built-from")
    if OTELCOL.exists() and stamp.exists() and stamp.read_text() == _OTELCOL_PARTS.read_text():
        return OTELCOL
    if not shutil.which("go"):
        raise UnavailableError("Go is not installed")
    tools = {"GOBIN": str(BUILD / "gobin")}
    _run(["go", "install", f"go.opentelemetry.io/collector/cmd/builder@{_BUILDER_VERSION}"], tools)
    _run([str(BUILD / "gobin" / "builder"), "--config", str(_OTELCOL_PARTS)], {"CGO_ENABLED": "0"})
    stamp.write_text(_OTELCOL_PARTS.read_text())
    return OTELCOL


if __name__ == "__main__":
    print(otelcol())
