"""The file exporter: a thread of its own writes, in the order of arrival."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from zstandard import ZstdCompressor

from collector.api import Batch, Delivery, Fatal, Retryable, Settings
from collector.wire.codec import codec
from exporters.file.config import FileConfig
from exporters.file.framing import Framing, Lengths, Lines
from exporters.file.groups import Groups
from exporters.file.output import Busy, Output
from exporters.file.outputs import Outputs

_HINTS = {
    errno.EACCES: "; give the user that runs Ottery the right to write there",
    errno.EISDIR: "; a file was expected",
    errno.EROFS: "; name a path on another volume",
}


class FileExporter:
    """Appends batches to a file. A delivery counts once the operating system has it; see `flush_interval`."""

    def __init__(self, config: FileConfig, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._compressor = (
            ZstdCompressor(config.compression_params.level or 3) if config.compression == "zstd" else None
        )
        self._framing: Framing = Lines() if config.format == "json" and self._compressor is None else Lengths()
        self._path = Path(config.path).expanduser()
        self._groups = Groups(config) if config.group_by.enabled else None
        self._outputs = Outputs(
            lambda path: Output(path, config, self._framing, settings.clock, settings.log),
            config.group_by.max_open_files,
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=settings.id)
        self._sync_due: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Open and repair the file. Raises `Fatal` when it cannot be written; a file in use is waited for by `push`.

        With `group_by` files are opened when rows for them come.
        """
        if self._groups is not None:
            return
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    async def stop(self) -> None:
        if self._sync_due is not None:
            self._sync_due.cancel()
        await asyncio.to_thread(self._close)

    async def push(self, delivery: Delivery) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._write, delivery)
        if self._config.flush_interval and self._sync_due is None:
            self._sync_due = loop.call_later(self._config.flush_interval, self._sync_soon)

    def _open(self) -> None:
        try:
            self._outputs.open(self._path)
        except Busy as error:
            self._settings.log.warning("waiting for the file", reason=str(error))
        except OSError as error:
            raise Fatal(f"path: {self._cannot_write(error)}{_HINTS.get(error.errno or 0, '')}") from error

    def _close(self) -> None:
        self._thread.shutdown(wait=True)
        try:
            self._outputs.close()
        except OSError as error:
            self._settings.log.error("the end of the file may not be on the disk", reason=self._cannot_write(error))

    def _write(self, delivery: Delivery) -> None:
        """Write a delivery, unless an attempt that ran out of time did. Raises `Retryable`, `Permanent`, `Fatal`."""
        try:
            parts = self._parts(delivery.batch)
            for path, batch in parts:
                if str(path) not in delivery.done:
                    self._outputs.open(path).append(self._framing.join(self._messages(batch)))
                    delivery.done.add(str(path))
            if not self._config.flush_interval:
                self._outputs.sync()
        except OSError as error:
            raise Retryable(self._cannot_write(error), kind="disk") from error

    def _parts(self, batch: Batch) -> list[tuple[Path, Batch]]:
        if self._groups is None:
            return [(self._path, batch)]
        return self._groups.split(batch, self._can_open)

    def _can_open(self, path: Path) -> bool:
        """Whether a file that a client has named can be written at all; no such name may hold up the others."""
        try:
            self._outputs.open(path)
        except (Fatal, IsADirectoryError, NotADirectoryError):
            return False
        return True

    def _messages(self, batch: Batch) -> Iterator[bytes]:
        for request in batch.requests:
            message = codec().to_json(batch.signal, request) if self._config.format == "json" else request
            yield self._compressor.compress(message) if self._compressor else message

    def _sync_soon(self) -> None:
        self._sync_due = None
        self._thread.submit(self._sync)

    def _sync(self) -> None:
        try:
            self._outputs.sync()
        except OSError as error:
            self._settings.log.error("written data may not be on the disk", reason=self._cannot_write(error))

    def _cannot_write(self, error: OSError) -> str:
        return f"cannot write {self._config.path}: {error.strerror}"
