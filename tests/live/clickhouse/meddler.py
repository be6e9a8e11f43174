"""A forwarder between exporter and server that strikes at one moment of an insert."""

import asyncio


class Meddler:
    """Forwards to `target`; `strike` is called once, when the moment has come, and both ends are dropped then.

    The moment is that `after` bytes of inserts were forwarded or, without it, that the server begins to answer one.
    """

    def __init__(self, target, strike=lambda: None, after=None):
        self.target = target
        self.strike = strike
        self.after = after
        self.struck = asyncio.Event()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        back = None
        try:
            there, back = await asyncio.open_connection(*self.target)
            request = bytearray()
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._requests(reader, back, request))
                ways.create_task(self._answers(there, writer, request))
        except* OSError:
            pass
        finally:
            for end in (writer, back):
                if end is not None:
                    end.transport.abort()

    async def _requests(self, reader, writer, request):
        while chunk := await reader.read(4096):
            request += chunk
            writer.write(chunk)
            await writer.drain()
            if self.after is not None and b"INSERT" in request[:4096] and len(request) > self.after:
                await self._strike()
        raise ConnectionResetError

    async def _answers(self, reader, writer, request):
        while chunk := await reader.read(4096):
            if self.after is None and b"INSERT" in request[:4096]:
                await self._strike()
            request.clear()
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError

    async def _strike(self):
        if not self.struck.is_set():
            self.struck.set()
            await asyncio.to_thread(self.strike)
            raise ConnectionResetError
