"""A server on this machine that has one file, and answers as badly as it is told."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE = 10
"""Seconds after which a hanging answer ends, should nobody have hung up."""


class Server(ThreadingHTTPServer):
    """Answers each request with the next of its answers, and with the last from then on."""

    daemon_threads = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.answers = [whole]
        self.requests = []  # path and Range of each
        self.sent = threading.Event()  # as much as an answer that hangs sends
        self.released = threading.Event()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self):
        return [range_ for _, range_ in self.requests]

    def handle_error(self, request, client_address):
        """Who hangs up is right to."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get("Range")))
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        answer(self)

    def answer(self, status=200, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        pass


def whole(handler, cut=None):
    """The file, or the asked end of it; cut says after how many bytes of the file the connection breaks."""
    content = handler.server.content
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    start = int(asked[1]) if asked else 0
    headers = {"Content_Length": len(content) - start}
    if asked:
        headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    handler.answer(206 if asked else 200, content[start:cut], **headers)


def breaks_after(n):
    return lambda handler: whole(handler, cut=n)


def hangs_after(n):
    def answer(handler):
        whole(handler, cut=n)
        handler.server.sent.set()
        handler.server.released.wait(PATIENCE)

    return answer


def pauses_after(n):
    """The rest comes when the server's test says so."""

    def answer(handler):
        whole(handler, cut=n)
        handler.server.released.wait(PATIENCE)
        handler.wfile.write(handler.server.content[n:])

    return answer


def answers(status=200, body=b"", **headers):
    """Exactly this, whatever is asked."""
    return lambda handler: handler.answer(status, body, **headers)


@contextmanager
def serve(content):
    server = Server(content)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
