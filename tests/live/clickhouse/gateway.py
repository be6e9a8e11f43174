"""A gateway in front of ClickHouse that refuses large bodies, as nginx does by `client_max_body_size`."""

import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self._body()
        if len(body) > self.server.most:
            return self._answer(413, {}, b"<html>413 Request Entity Too Large</html>")
        headers = {name: value for name, value in self.headers.items() if name.lower() != "transfer-encoding"}
        request = urllib.request.Request(self.server.target + self.path, body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return self._answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return self._answer(error.code, error.headers, error.read())

    def _body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@contextmanager
def gateway(target, most):
    """Serve at the yielded address what `target` answers, but 413 to bodies of more than `most` bytes."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.target, server.most = target, most
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
