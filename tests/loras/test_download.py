"""A download is complete and verified, or ends in an error and leaves no file. The servers misbehave."""

import errno
import hashlib
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from tcd_sampler import messages
from tcd_sampler.errors import UserError

from ..support.loopback import (
    answers,
    breaks_after,
    hangs_after,
    ignores_ranges,
    never_answers,
    never_ends,
    redirects,
    whole,
)
from ..support.published import (
    CONTENT,
    FINAL,
    HALF,
    LORA,
    PAGE,
    PATH,
    RETRIES,
    SHORT,
    WRONG,
    fails,
    fetch,
    get_files,
    start,
)

ROOT = Path(__file__).parents[2]
HUB = "https://huggingface.co"


def get_host(server):
    return f"127.0.0.1:{server.server_port}"


def test_a_download(server, folder):
    progress = fetch(folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0, len(CONTENT))
    assert len(progress) > 4
    assert server.requests == [(PATH, None)]
    assert (folder / "other.safetensors").read_bytes() == b"other"


@pytest.mark.skipif(os.name != "posix", reason="Windows has other permissions")
def test_the_file_has_the_permissions_of_any_new_file(server, folder):
    fetch(folder)
    (folder / "new").touch()
    assert (folder / FINAL).stat().st_mode == (folder / "new").stat().st_mode


def test_nothing_happens_before_the_first_step(server, folder):
    start(folder).close()
    assert get_files(folder) == {}
    assert server.requests == []


def test_compression_is_declined(server, folder):
    def answer(handler):
        encodings.append(handler.headers["Accept-Encoding"])
        whole(handler)

    encodings = []
    server.answers = [answer]
    fetch(folder)
    assert encodings == ["identity"]


# Bad servers


@pytest.mark.parametrize(
    ("server_answers", "template", "values"),
    [
        pytest.param([breaks_after(0)], messages.INTERRUPTED, {}, id="breaks at once"),
        pytest.param([breaks_after(HALF)], messages.INTERRUPTED, {}, id="breaks at one place"),
        pytest.param([ignores_ranges(HALF)], messages.INTERRUPTED, {}, id="breaks, without ranges"),
        pytest.param(
            [ignores_ranges(HALF), *[ignores_ranges(1000), ignores_ranges(HALF)] * 9],
            messages.INTERRUPTED,
            {},
            id="breaks later and earlier",
        ),
        pytest.param([answers(200, CONTENT[:HALF])], messages.INTERRUPTED, {}, id="too few bytes, no length"),
        pytest.param([answers(401)], messages.LOGIN_REQUIRED, {"status": 401, "page": PAGE}, id="401"),
        pytest.param([answers(403)], messages.LOGIN_REQUIRED, {"status": 403, "page": PAGE}, id="403"),
        pytest.param([answers(404)], messages.NOT_ON_HOST, {"status": 404, "page": PAGE}, id="404"),
        *[
            pytest.param([answers(status)], messages.HTTP_ERROR, {"status": status, "page": PAGE}, id=str(status))
            for status in (204, 410, 429, 500, 503)
        ],
        *[
            pytest.param(
                [answers(200, CONTENT, Content_Length=length)], messages.SIZE_MISMATCH, {}, id=f"size {length}"
            )
            for length in (0, len(CONTENT) - 1, len(CONTENT) + 1, "many")
        ],
        pytest.param(
            [breaks_after(HALF), answers(206, CONTENT[HALF:], Content_Length=len(CONTENT))],
            messages.SIZE_MISMATCH,
            {},
            id="another size after a break",
        ),
        pytest.param([never_ends], messages.SIZE_MISMATCH, {}, id="too many bytes, no length"),
        pytest.param([redirects("http://mirror.example/x")], messages.NOT_HTTPS, {}, id="redirect to http"),
        pytest.param([redirects("//mirror.example/x")], messages.NOT_HTTPS, {}, id="redirect to another http host"),
        pytest.param([redirects("http://127.0.0.1.example/x")], messages.NOT_HTTPS, {}, id="redirect to a namesake"),
        pytest.param([redirects("ftp://127.0.0.1/x")], messages.NOT_HTTPS, {}, id="redirect to ftp"),
        pytest.param([redirects("file:///x")], messages.NOT_HTTPS, {}, id="redirect to a file"),
        pytest.param(
            [redirects("/x"), redirects("http://mirror.example/x")],
            messages.NOT_HTTPS,
            {},
            id="second redirect to http",
        ),
    ],
)
def test_a_bad_server(server, folder, server_answers, template, values):
    server.answers = server_answers
    fails(template, {"lora": LORA.name, "host": get_host(server), **values}, folder)
    assert len(server.requests) <= 2 + RETRIES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "template", "requests"),
    [(never_answers, messages.UNREACHABLE, 1), (hangs_after(HALF), messages.INTERRUPTED, 1 + RETRIES)],
    ids=["no answer", "half of the file"],
)
def test_a_server_that_hangs(server, folder, answer, template, requests):
    server.answers = [answer]
    fails(template, {"lora": LORA.name, "host": get_host(server)}, folder, start(folder, timeout=SHORT))
    assert len(server.requests) == requests


@pytest.mark.parametrize("answer", [breaks_after(0), answers(404), answers(429), answers(503)])
def test_no_retry_before_any_progress(server, folder, answer):
    """The user sees the error at once."""
    server.answers = [answer, whole]
    with pytest.raises(UserError):
        list(start(folder))
    assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [answers(404), answers(200, WRONG, Content_Length=1), redirects("http://a.example")])
def test_no_retry_where_it_cannot_help(server, folder, answer):
    server.answers = [breaks_after(HALF), answer, whole]
    with pytest.raises(UserError):
        list(start(folder))
    assert len(server.requests) == 2


def sends_the_beginning(handler):
    """Sends as many bytes as requested, but of another range."""
    handler.answer(206, CONTENT[: len(CONTENT) - handler.server.starts[-1]])


@pytest.mark.parametrize(
    "server_answers",
    [
        pytest.param([answers(200, WRONG, Content_Length=len(WRONG))], id="wrong bytes"),
        pytest.param([breaks_after(HALF), sends_the_beginning], id="wrong range"),
    ],
)
def test_another_file_of_the_same_size(server, folder, server_answers):
    server.answers = server_answers
    fails(messages.CHECKSUM_MISMATCH, {"lora": LORA.name}, folder)


@pytest.mark.parametrize(
    ("location", "reason"), [("/x", "Exceeded 30 redirects."), ("http://[", "Invalid"), ("http://:x", None)]
)
def test_a_redirect_that_leads_nowhere(server, folder, location, reason):
    server.answers = [redirects(location)]
    with pytest.raises(UserError, match=reason) as raised:
        list(start(folder))
    assert raised.value.message.template in {messages.BAD_REQUEST, messages.NOT_HTTPS}
    assert get_files(folder) == {}


def test_a_server_that_never_ends_is_cut_off(server, folder):
    server.answers = [never_ends]
    with pytest.raises(UserError):
        list(start(folder))
    assert server.sent.wait(5)


def test_no_connection(server, folder):
    server.shutdown()
    server.server_close()
    fails(messages.UNREACHABLE, {"lora": LORA.name, "host": get_host(server)}, folder)


def test_an_unknown_host(folder, monkeypatch):
    """If HF_ENDPOINT is empty, the host is the hub itself."""

    def getaddrinfo(*_):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setenv("HF_ENDPOINT", "")
    fails(messages.UNREACHABLE, {"lora": LORA.name, "host": "huggingface.co"}, folder)


# Interruptions that a retry fixes


def test_a_break_in_the_middle(server, folder):
    server.answers = [breaks_after(HALF), whole]
    fetch(folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert server.starts[0] == 0
    assert HALF / 2 < server.starts[1] <= HALF


def test_more_breaks_than_retries_with_progress(server, folder):
    cuts = range(100_000, len(CONTENT), 100_000)
    assert len(cuts) > RETRIES
    server.answers = [*map(breaks_after, cuts), whole]
    fetch(folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert server.starts == sorted(set(server.starts))


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(answers(429), id="429"),
        pytest.param(answers(503), id="503"),
        pytest.param(hangs_after(HALF + 1), id="hangs", marks=pytest.mark.slow),
        pytest.param(never_answers, id="no answer", marks=pytest.mark.slow),
    ],
)
def test_a_fault_after_a_break(server, folder, second):
    server.answers = [breaks_after(HALF), second, whole]
    list(start(folder, timeout=SHORT))
    assert get_files(folder) == {FINAL: CONTENT}
    assert server.starts[-1] > 0


def test_a_server_without_ranges_starts_over(server, folder):
    server.answers = [breaks_after(HALF), ignores_ranges()]
    progress = fetch(folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert progress != sorted(progress)


# Addresses


@pytest.mark.parametrize(
    "endpoint",
    ["huggingface.co", "ftp://here", "http://", "https:///x", "file:///x", "C:\\mirror", "\\\\server\\mirror"],
)
def test_an_invalid_endpoint(folder, monkeypatch, endpoint):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    fails(messages.BAD_ENDPOINT, {"example": HUB, "value": endpoint.rstrip("/")}, folder)


@pytest.mark.parametrize("endpoint", ["http://[", "https://:x", "https://[::1", f"http://{'a' * 70}.example"])
def test_a_malformed_endpoint(folder, monkeypatch, endpoint):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(UserError) as raised:
        list(start(folder))
    assert raised.value.message.template == messages.BAD_REQUEST
    assert get_files(folder) == {}


def test_a_slash_at_the_end_of_the_endpoint(server, folder, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"{server.address}/")
    fetch(folder)
    assert server.requests == [(PATH, None)]


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_offline_mode(server, folder, monkeypatch, value):
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    fails(messages.OFFLINE, {"lora": LORA.name}, folder)
    assert server.requests == []


def test_offline_mode_that_is_off(server, folder, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    fetch(folder)
    assert get_files(folder) == {FINAL: CONTENT}


def test_a_proxy(server, folder, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example")
    monkeypatch.setenv("http_proxy", server.address)
    fetch(folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert server.requests == [(f"http://mirror.example{PATH}", None)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("form", ["/elsewhere?x=1", "{address}/elsewhere?x=1"])
def test_a_redirect(server, folder, status, form):
    server.answers = [redirects(form.format(address=server.address), status), whole]
    fetch(folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert [path for path, _ in server.requests] == [PATH, "/elsewhere?x=1"]


def test_a_redirect_after_a_break(server, folder):
    server.answers = [redirects("/elsewhere"), breaks_after(HALF), redirects("/elsewhere"), whole]
    fetch(folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert server.starts[2] == server.starts[3] > 0


@pytest.mark.parametrize("target", ["http://huggingface.co/x", "http://127.0.0.1:9/x"])
def test_the_hub_must_not_redirect_to_plain_http(folder, monkeypatch, target):
    def send(self, request, **_):
        sent.append(request.url)
        response = requests.Response()
        response.status_code, response.headers["Location"] = 302, target
        response.url, response.request, response.raw = request.url, request, SimpleNamespace(read=lambda *_: b"")
        response.raw.close = response.raw.release_conn = lambda: None
        return response

    sent = []
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    fails(messages.NOT_HTTPS, {"lora": LORA.name, "host": "huggingface.co"}, folder)
    assert sent == [f"{HUB}{PATH}"]


# The disk


def test_the_file_is_synced_before_it_is_renamed(server, folder, monkeypatch):
    """A power cut then leaves no incomplete LoRA."""

    def fsync(handle):
        synced.append((os.fstat(handle).st_size, (folder / FINAL).exists()))

    synced = []
    monkeypatch.setattr(os, "fsync", fsync)
    server.content = CONTENT[:100]  # so few that Python would buffer them
    fetch(folder, replace(LORA, size=100, sha256=hashlib.sha256(server.content).hexdigest()))
    assert synced == [(100, False)]


def test_too_little_disk_space(server, folder, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=LORA.size - 1))
    fails(messages.DISK_FULL, {"lora": LORA.name, "folder": folder, "size": "1"}, folder)
    assert server.requests == []


def test_just_enough_disk_space(server, folder, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=LORA.size))
    fetch(folder)
    assert get_files(folder) == {FINAL: CONTENT}


class FullDisk(io.FileIO):
    def write(self, _):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def full_disk(monkeypatch, folder):
    monkeypatch.setattr(Path, "open", lambda path, mode: io.BufferedWriter(FullDisk(path, mode)))


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("size", [LORA.size, 100])  # the latter stays in the buffer until the file is closed
def test_a_disk_that_fills_up(server, folder, size):
    server.content = CONTENT[:size]
    values = {"lora": LORA.name, "folder": folder, "size": f"{size / 1e6:.0f}"}
    fails(messages.DISK_FULL, values, folder, start(folder, replace(LORA, size=size)))


def test_a_missing_folder(server, folder):
    fails(messages.NO_FOLDER, {"folder": folder / "more"}, folder, start(folder / "more"))
    assert server.requests == []


@pytest.fixture
def read_only():
    """A folder without write permission. Root may write everywhere, so the test runs as another user."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    folder.rmdir()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has other permissions")
def test_a_folder_without_write_permission(server, read_only):
    fails(messages.CANNOT_WRITE, {"file": read_only / FINAL, "reason": "Permission denied"}, read_only)
    assert server.requests == []


@pytest.mark.parametrize("kind", ["file", "folder", "broken link"])
def test_an_existing_file(server, folder, kind):
    final = folder / FINAL
    {"file": final.touch, "folder": final.mkdir, "broken link": lambda: final.symlink_to("x")}[kind]()
    with pytest.raises(UserError) as raised:
        list(start(folder))
    assert raised.value.message == messages.Message(messages.FILE_EXISTS, {"file": final})
    assert {path.name for path in folder.iterdir()} == {"other.safetensors", FINAL}
    assert server.requests == []


@pytest.fixture(params=["hard links", "no hard links"])
def links(request, monkeypatch):
    def link(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    if request.param == "no hard links":
        monkeypatch.setattr(os, "link", link)


@pytest.mark.usefixtures("links")
def test_a_file_that_appears_meanwhile(server, folder):
    progress = start(folder)
    next(progress)
    (folder / FINAL).write_bytes(b"mine")
    with pytest.raises(UserError) as raised:
        list(progress)
    assert raised.value.message == messages.Message(messages.FILE_EXISTS, {"file": folder / FINAL})
    assert get_files(folder) == {FINAL: b"mine"}


@pytest.mark.usefixtures("links")
def test_two_downloads_at_once(server, folder):
    """The first one to finish wins."""
    first = start(folder)
    next(first), next(first)
    fetch(folder)
    with pytest.raises(UserError) as raised:
        list(first)
    assert raised.value.message == messages.Message(messages.FILE_EXISTS, {"file": folder / FINAL})
    assert get_files(folder) == {FINAL: CONTENT}


def test_a_disk_without_hard_links_that_fails(server, folder, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(Path, "replace", fail)
    fails(messages.CANNOT_WRITE, {"file": folder / FINAL, "reason": "Input/output error"}, folder)


# Canceled and killed downloads


def is_listed(path):
    """Whether a WebUI would list the file as a LoRA."""
    return Path(path).suffix in {".safetensors", ".pt", ".ckpt", ".bin"} or not path.startswith(".")


@pytest.mark.parametrize("n", [1, 2, 8])
def test_cancelling(server, folder, n):
    progress = start(folder)
    for _ in range(n):
        next(progress)
    [path] = get_files(folder)
    assert not is_listed(path)
    progress.close()
    assert get_files(folder) == {}


@pytest.mark.parametrize("where", ["between", "receiving", "pausing", "verifying"])
def test_interrupting(server, folder, monkeypatch, where):
    def interrupt(*_):
        raise KeyboardInterrupt

    progress = start(folder)
    next(progress)
    if where == "receiving":
        monkeypatch.setattr(requests.Response, "iter_content", interrupt)
    elif where == "pausing":
        server.answers = [breaks_after(HALF)]
        monkeypatch.setattr(time, "sleep", interrupt)
    elif where == "verifying":
        monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        progress.throw(KeyboardInterrupt) if where == "between" else list(progress)
    assert get_files(folder) == {}


def make_old(path, hours):
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))


KILLED = f"""
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

package = sys.modules["tcd_sampler"] = ModuleType("tcd_sampler")  # without torch, which takes seconds to import
package.__path__ = [{str(ROOT / "tcd_sampler")!r}]
from tcd_sampler.loras.download import download

list(download(SimpleNamespace(**eval(sys.argv[1])), Path(sys.argv[2])))
"""


def test_a_killed_download(server, folder):
    """It leaves no file that a WebUI lists. A later download succeeds, and removes leftovers that are hours old."""
    server.answers = [hangs_after(HALF), whole]
    fields = {name: getattr(LORA, name) for name in ("name", "repository", "path", "size", "sha256")}
    with subprocess.Popen([sys.executable, "-c", KILLED, repr(fields), folder]) as process:
        assert server.sent.wait(60)
        process.kill()
    [leftover] = get_files(folder)
    assert not is_listed(leftover)
    fetch(folder)
    assert get_files(folder).keys() == {FINAL, leftover}
    (folder / FINAL).unlink()
    make_old(folder / leftover, hours=10)
    fetch(folder)
    assert get_files(folder) == {FINAL: CONTENT}


def test_temporary_files_of_others_are_kept(server, folder):
    names = [".other.12345678.part", ".TCD-SDXL-LoRA-2.12345678.part", "TCD-SDXL-LoRA.12345678.part"]
    for name in names:
        (folder / name).touch()
        make_old(folder / name, hours=10)
    fetch(folder)
    assert get_files(folder).keys() == {FINAL, *names}
