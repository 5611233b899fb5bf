"""A local HTTP server that serves one file and misbehaves as a test tells it to."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE = 10
"""Seconds after which a hanging answer ends."""


class Server(ThreadingHTTPServer):
    """Answers each request with the next of its answers, and repeats the last one."""

    daemon_threads = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.answers = [whole]
        self.requests = []  # the path and the Range header of each
        self.sent = threading.Event()  # set when an answer that hangs has sent its data, or when the client hung up
        self.released = threading.Event()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def starts(self):
        """The position in the file at which each request starts."""
        return [int(re.fullmatch(r"bytes=(\d+)-", range_ or "bytes=0-")[1]) for _, range_ in self.requests]

    def handle_error(self, request, client_address):
        """Ignores errors, because clients may hang up."""


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
    """Sends the file, or the requested rest of it. The connection breaks at the position cut."""
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
    """Sends the file up to position n, and the rest when the test sets server.released."""

    def answer(handler):
        whole(handler, cut=n)
        handler.server.released.wait(PATIENCE)
        handler.wfile.write(handler.server.content[n:])

    return answer


def answers(status=200, body=b"", **headers):
    """Sends exactly this response to any request."""
    return lambda handler: handler.answer(status, body, **headers)


def redirects(location, status=302):
    return answers(status, Location=location, Content_Length=0)


def never_answers(handler):
    handler.server.released.wait(PATIENCE)


def never_ends(handler):
    """Sends the file over and over, without a length, until the client hangs up."""
    handler.answer(200)
    try:
        for _ in range(1000):
            handler.wfile.write(handler.server.content)
    except OSError:
        handler.server.sent.set()


def ignores_ranges(cut=None):
    """Sends the file from its beginning to any request."""

    def answer(handler):
        content = handler.server.content
        handler.answer(200, content[:cut], Content_Length=len(content))

    return answer


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
