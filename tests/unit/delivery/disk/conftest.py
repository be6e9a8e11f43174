"""A log on disk that tests open, kill, damage and open again."""

import shutil
from contextlib import asynccontextmanager

import pytest

from collector.api import Signal
from collector.delivery.config import LogConfig
from collector.delivery.disk.log import DiskLog
from collector.delivery.log import Bounds
from collector.testing import settings
from collector.wire.codec import codec


class Place:
    """A directory with the log of one pipeline; `copies` are what a killed process leaves."""

    def __init__(self, root):
        self.root = root
        self.directory = root / "traces"
        self.copies = 0

    @property
    def segments(self):
        return sorted(self.directory.glob("*.seg"))

    @property
    def aside(self):
        return sorted(self.directory.glob("*.damaged"))

    def kill(self):
        """Go on with a copy of the files as they are now, which is what a process killed now would leave."""
        self.copies += 1
        copy = self.root / f"copy-{self.copies}"
        shutil.copytree(self.directory, copy)
        self.directory = copy

    @asynccontextmanager
    async def log(self, exporters=("sink",), window=0.0, **config):
        log = DiskLog(self.directory, LogConfig(**config), Signal.TRACES, codec(), settings("traces"), window=window)
        await log.open()
        log.retire(exporters)
        try:
            yield log, *[log.cursor(name, Bounds(0)) for name in exporters]
        finally:
            await log.shut()


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)
