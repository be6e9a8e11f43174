"""Processes under measurement: started, awaited, measured from what the operating system counts, ended."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_POLL = 0.02
_MIB = 1024 * 1024


class NotReadyError(Exception):
    """A process ended, or did not listen in time; the message holds the end of its log."""


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds (user and system) and resident memory in MiB of a process and its descendants."""

    cpu: float
    resident: float
    peak: float


class Server:
    """A process that listens, with its output in a file."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = psutil.Popen(
                list(command),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ | dict(environment or {}),
                cwd=log.parent,
            )

    def await_ports(self, *ports: int, seconds: float = 60.0) -> None:
        """Return when something accepts connections on every port. Raises `NotReadyError`."""
        deadline = time.monotonic() + seconds
        for port in ports:
            while not _accepts(port):
                if self.process.poll() is not None:
                    raise NotReadyError(f"ended with status {self.process.returncode}: {self.tail()}")
                if time.monotonic() > deadline:
                    raise NotReadyError(f"nothing listens on port {port} after {seconds:.0f} s: {self.tail()}")
                time.sleep(_POLL)

    def usage(self) -> Usage:
        """Measure the process and its descendants, those that ended and were waited for included."""
        cpu = resident = peak = 0.0
        for process in (self.process, *self.process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
                times = process.cpu_times()
                cpu += times.user + times.system + times.children_user + times.children_system
                status = _status(process.pid)
                resident += status["VmRSS"] / _MIB
                peak += status["VmHWM"] / _MIB
        return Usage(cpu, resident, peak)

    def tail(self) -> str:
        """Return the end of the process's output."""
        return self.log.read_text(errors="replace")[-600:].strip()

    def stop(self) -> None:
        """End the process and its descendants, gently first."""
        family = [self.process, *self.process.children(recursive=True)] if self.process.is_running() else []
        for process in family[:1]:
            process.terminate()
        _, alive = psutil.wait_procs(family, timeout=10)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=5)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _status(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith(("VmRSS", "VmHWM"))}


class Driver:
    """A process that is told what to do in lines and answers in lines of JSON (the load generator)."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        with log.open("wb") as errors:
            self.process = psutil.Popen(
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1
            )
        self._log = log

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line and return the answer. Raises `NotReadyError` when the process has ended instead."""
        try:
            self.process.stdin.write(line + "\n")
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise NotReadyError(f"the generator ended: {self._log.read_text()[-1500:].strip()}")
        return dict(json.loads(answer))

    def cpu(self) -> float:
        """CPU seconds so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def stop(self) -> None:
        """Close its input, which ends it."""
        self.process.stdin.close()
        with contextlib.suppress(psutil.TimeoutExpired):
            self.process.wait(10)
        if self.process.is_running():
            self.process.kill()
        self.process.stdout.close()
