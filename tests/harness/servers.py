"""A server on loopback that speaks OpenAI's API and fails as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[str, dict[str, Any]], Any]  # (path, body) -> what is sent as JSON, or a `Fault`


class Fault:
    """What a server sends instead of an answer."""

    def __init__(
        self, status: int = 200, text: str = "", headers: dict[str, str] | None = None, kind: str = ""
    ) -> None:
        self.status, self.text, self.headers, self.kind = status, text, headers or {}, kind

    def __str__(self) -> str:
        return self.kind or f"{self.status} {self.text[:16]}"


def error(status: int, message: str = "no", **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(status, json.dumps({"error": {"message": message, "code": status}}), named)


HANG = Fault(kind="hang")  # no byte until the server closes
HALF = Fault(kind="half")  # breaks off in the middle
BROKEN = Fault(text='{"choices": [{"te')
EMPTY = Fault(text='{"object": "text_completion"}')
NOT_JSON = Fault(text="<html>Bad gateway</html>", headers={"Content-Type": "text/html"})


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []  # (path, body, headers), in order
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.at_once = self.most_at_once = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that has gone


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    # Headers and content are two packets. Held back until the client has confirmed the first, the second takes 40 ms.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._reply({})

    def do_POST(self) -> None:
        self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _reply(self, body: dict[str, Any]) -> None:
        server = self.server
        with server.lock:
            server.asked.append((self.path, body, {name.lower(): value for name, value in self.headers.items()}))
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            said = server.answer(self.path, body)
        finally:
            with server.lock:
                server.at_once -= 1
        fault = said if isinstance(said, Fault) else Fault(text=json.dumps(said))
        if fault.kind == "hang":
            server.closing.wait()
            self.close_connection = True
            return
        content = (fault.text or '{"choices": []}').encode()
        self.send_response(fault.status)
        for name, value in {"Content-Type": "application/json", **fault.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) + (50 if fault.kind == "half" else 0)))
        self.end_headers()
        self.wfile.write(content)
        if fault.kind == "half":
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    server = Server(answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
