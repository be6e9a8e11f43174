import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from collector.cli import app


@pytest.fixture
def ottery(monkeypatch):
    monkeypatch.delenv("CLICKHOUSE_URL", raising=False)
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.fixture
def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener.getsockname()[1]


@pytest.fixture
def web_server():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(404)
            self.end_headers()
            self.wfile.write(b"no such page")

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_server_that_is_not_there_is_told_in_one_line(ottery, free_port):
    result = ottery("query", "SELECT 1", "--url", f"http://127.0.0.1:{free_port}")
    assert result.exit_code == 1
    assert result.stderr == (
        f"ottery: nothing listens at http://127.0.0.1:{free_port}; start Ottery with `ottery run`, "
        "or name the server with --url\n"
    )


def test_a_server_that_is_no_clickhouse_is_told_in_one_line(ottery, web_server):
    result = ottery("query", "SELECT 1", "--url", f"http://127.0.0.1:{web_server}")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"ottery: http://127.0.0.1:{web_server} does not answer as ClickHouse does: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "url", [pytest.param("localhost:8123", id="no scheme"), pytest.param("http://:99999", id="no host and a bad port")]
)
def test_a_url_of_the_wrong_form_is_refused(ottery, url):
    result = ottery("query", "SELECT 1", "--url", url)
    assert (result.exit_code, result.stderr) == (
        1,
        "ottery: --url: http://host:port was expected, such as http://localhost:8123\n",
    )
