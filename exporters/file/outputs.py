"""The files that one exporter writes: as many as `group_by` asks for, few of them open at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from exporters.file.output import Output


class Outputs:
    """Files by path. Every method blocks, and all of them are for one thread; OSError is raised as it comes."""

    def __init__(self, make: Callable[[Path], Output], limit: int) -> None:
        self._make = make
        self._limit = limit
        self._known: OrderedDict[Path, Output] = OrderedDict()

    def open(self, path: Path) -> Output:
        """Return the open file at `path`. Raises what `Output.open` raises, and then nothing is kept of it."""
        output = self._known.pop(path, None) or self._make(path)
        output.open()
        self._known[path] = output
        while len(self._known) > self._limit:
            _, oldest = self._known.popitem(last=False)
            oldest.close()
        return output

    def sync(self) -> None:
        """Wait until everything that was written is on the disk."""
        for output in self._known.values():
            output.sync()

    def close(self) -> None:
        """Close all files, also when one of them fails."""
        with ExitStack() as closing:
            while self._known:
                closing.callback(self._known.popitem()[1].close)
