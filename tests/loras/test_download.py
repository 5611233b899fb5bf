"""A LoRA comes whole and checked, or not at all and for a reason that is said: tried with a server that misbehaves."""

import errno
import os
import re
import shutil
import socket
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from tcd_sampler.loras import download as module
from tcd_sampler.loras import part_file
from tcd_sampler.loras.download import DownloadError, download, is_safe

from ..support.loopback import answers, breaks_after, hangs_after, whole
from ..support.published import CONTENT, FINAL, HALF, LORA, PART, WRONG, fails, fetch, get_files


def test_a_download(server, folder):
    sizes = fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (0, len(CONTENT))
    assert len(sizes) > 4
    assert server.requests == [("/h1t/TCD-SDXL-LoRA/resolve/main/pytorch_lora_weights.safetensors", None)]


def test_other_files_are_left_alone(server, folder):
    fetch(server, folder)
    assert (folder / "other.safetensors").read_bytes() == b"other"


def test_no_webui_lists_the_part_file(server, folder):
    progress = download(LORA, folder, server.address)
    next(progress)
    [path] = get_files(folder)
    assert path.startswith(".")
    assert Path(path).suffix not in {".safetensors", ".pt", ".ckpt", ".bin"}
    progress.close()


def test_nothing_is_done_before_it_is_asked_for(server, folder):
    download(LORA, folder, server.address).close()
    assert get_files(folder) == {}
    assert server.requests == []


def test_mirror_of_the_environment(server, folder, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"{server.address}/")
    assert list(download(LORA, folder))[-1] == len(CONTENT)
    assert server.requests[0][0].startswith("/h1t/")


@pytest.mark.parametrize("environment", [None, ""])
def test_hugging_face_otherwise(folder, monkeypatch, environment):
    def get(url, **_):
        asked.append(url)
        raise requests.ConnectionError(request=SimpleNamespace(url=url))

    asked = []
    monkeypatch.setattr(requests, "get", get)
    if environment is not None:
        monkeypatch.setenv("HF_ENDPOINT", environment)
    with pytest.raises(DownloadError, match=r"huggingface\.co cannot be reached"):
        list(download(LORA, folder))
    assert asked == ["https://huggingface.co/h1t/TCD-SDXL-LoRA/resolve/main/pytorch_lora_weights.safetensors"]


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("huggingface.co", "huggingface.co is not an address such as https://huggingface.co; correct HF_ENDPOINT."),
        ("ftp://here", "ftp://here is not an address such as https://huggingface.co; correct HF_ENDPOINT."),
        ("http://[", "[ cannot be asked for it ("),
        ("http://", "http: is not an address such as"),
        ("https://:x", ":x cannot be asked for it ("),
        (f"http://{'a' * 70}.example", f"{'a' * 70}.example cannot be asked for it ("),
    ],
)
def test_no_address(folder, endpoint, reason):
    with pytest.raises(DownloadError, match=re.escape(reason)):
        list(download(LORA, folder, endpoint))
    assert get_files(folder) == {}


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "..", ".x", "", "a..b", "C:x", "a\n", "/x", "x "])
def test_names_that_are_none(server, folder, name):
    lora = SimpleNamespace(**{**vars(LORA), "name": name})
    fails(server, folder, "this is not a plain file name", lora)
    assert server.requests == []


# Connections that break


def test_a_break_in_the_middle(server, folder):
    server.answers = [breaks_after(HALF), whole]
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert server.ranges == [None, f"bytes={HALF}-"]


def test_as_many_breaks_as_there_may_be_with_progress(server, folder):
    cuts = range(20_000, 300_000, 20_000)
    assert len(cuts) > module.ATTEMPTS
    server.answers = [*map(breaks_after, cuts), whole]
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert server.ranges == [None, *(f"bytes={cut}-" for cut in cuts)]


def test_always_a_break_at_the_same_place(server, folder):
    server.answers = [breaks_after(HALF)]
    fails(server, folder, "the connection to # broke off; try again")
    assert server.ranges == [None] + [f"bytes={HALF}-"] * module.ATTEMPTS


def test_a_break_before_anything_has_come(server, folder):
    server.answers = [breaks_after(0), whole]
    fails(server, folder, "the connection to # broke off; try again")
    assert server.ranges == [None]


def test_pauses_grow_and_start_anew_with_progress(server, folder, monkeypatch):
    pauses = []
    monkeypatch.setattr(module, "PAUSE", 1)
    monkeypatch.setattr(time, "sleep", pauses.append)
    server.answers = [*[breaks_after(1000)] * 4, *[breaks_after(2000)] * 2, whole]
    fetch(server, folder)
    assert pauses == [1, 2, 4, 8, 1, 2]


def test_a_server_without_ranges_starts_over(server, folder):
    everything = answers(200, CONTENT, Content_Length=len(CONTENT))
    server.answers = [breaks_after(HALF), everything]
    sizes = fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert server.ranges == [None, f"bytes={HALF}-"]
    assert sizes != sorted(sizes)


def test_a_server_without_ranges_that_breaks_is_not_asked_for_ever(server, folder):
    server.answers = [answers(200, CONTENT[:HALF], Content_Length=len(CONTENT))]
    fails(server, folder, "the connection to # broke off; try again")
    assert len(server.requests) == 1 + module.ATTEMPTS


def test_breaking_now_earlier_now_later_is_no_progress(server, folder):
    def answer(handler):
        handler.answer(200, CONTENT[: HALF if len(server.requests) % 2 else 1000], Content_Length=len(CONTENT))

    server.answers = [answer]
    fails(server, folder, "the connection to # broke off; try again")


@pytest.mark.parametrize("status", [429, 503])
def test_a_fault_after_a_break(server, folder, status):
    server.answers = [breaks_after(HALF), answers(status), whole]
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}


def test_too_few_bytes_of_unsaid_number(server, folder):
    server.answers = [answers(200, CONTENT[:HALF]), whole]
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}


def test_always_too_few_bytes(server, folder):
    server.answers = [answers(200, CONTENT[:HALF])]
    fails(server, folder, "the connection to # broke off; try again")


def test_no_answer(server, folder, monkeypatch):
    monkeypatch.setattr(module, "READ_TIMEOUT", 0.1)
    server.answers = [lambda handler: server.released.wait(10)]
    fails(server, folder, "# does not answer; try again later")
    assert len(server.requests) == 1


def test_an_answer_that_stops(server, folder, monkeypatch):
    monkeypatch.setattr(module, "READ_TIMEOUT", 0.1)
    server.answers = [hangs_after(HALF)]
    fails(server, folder, "# does not answer; try again later")
    assert server.ranges == [None] + [f"bytes={HALF}-"] * module.ATTEMPTS


def test_an_answer_that_stops_goes_on(server, folder, monkeypatch):
    monkeypatch.setattr(module, "READ_TIMEOUT", 0.1)
    server.answers = [hangs_after(HALF), whole]
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}


def test_no_connection(server, folder):
    server.shutdown()
    server.server_close()
    reason = "# cannot be reached; connect to the internet, or name a mirror in HF_ENDPOINT, and try again"
    fails(server, folder, reason)


def test_a_name_that_is_not_resolved(folder, monkeypatch):
    def getaddrinfo(*_):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(DownloadError) as raised:
        list(download(LORA, folder))
    assert str(raised.value) == (
        "TCD-SDXL-LoRA was not downloaded: huggingface.co cannot be reached; connect to the internet, or name a mirror "
        "in HF_ENDPOINT, and try again."
    )
    assert get_files(folder) == {}


# Answers that are not the file


def test_the_file_itself_is_asked_for_not_compressed(server, folder):
    def answer(handler):
        encodings.append(handler.headers["Accept-Encoding"])
        whole(handler)

    encodings = []
    server.answers = [answer]
    fetch(server, folder)
    assert encodings == ["identity"]


LOOK = "look at https://huggingface.co/h1t/TCD-SDXL-LoRA, or name a mirror in HF_ENDPOINT"


@pytest.mark.parametrize(
    ("status", "what"),
    [
        (401, f"gives it to nobody without an account (HTTP 401); {LOOK}"),
        (403, f"does not give it out (HTTP 403); {LOOK}"),
        (404, f"does not have it (any more) (HTTP 404); {LOOK}"),
        (410, f"refuses (HTTP 410); {LOOK}"),
        (204, f"refuses (HTTP 204); {LOOK}"),
        (429, "has had too many requests from here (HTTP 429); try again later"),
        (500, "has a fault (HTTP 500); try again later"),
        (503, "has a fault (HTTP 503); try again later"),
    ],
)
def test_statuses(server, folder, status, what):
    server.answers = [answers(status)]
    fails(server, folder, f"# {what}")
    assert len(server.requests) == 1


@pytest.mark.parametrize("length", [len(CONTENT) - 1, len(CONTENT) + 1, 0, "many"])
def test_another_length(server, folder, length):
    server.answers = [answers(200, CONTENT, Content_Length=length)]
    fails(server, folder, f"# has another file there (bytes: {length}, not 300000); look for an update")
    assert len(server.requests) == 1


def test_another_length_is_refused_before_anything_comes(server, folder, monkeypatch):
    monkeypatch.setattr(module, "READ_TIMEOUT", 0.1)

    def answer(handler):
        handler.answer(200, b"", Content_Length=10 * len(CONTENT))
        server.released.wait(10)

    server.answers = [answer]
    fails(server, folder, "# has another file there (bytes: 3000000, not 300000); look for an update")


def test_too_many_bytes_of_unsaid_number_are_cut_off_at_once(server, folder):
    def answer(handler):
        handler.answer(200, CONTENT)
        try:
            for sent[0] in range(10_000):
                handler.wfile.write(CONTENT)
        except OSError:
            server.sent.set()

    sent = [0]
    server.answers = [answer]
    fails(server, folder, "# has another file there (bytes: more than 300000); look for an update")
    assert server.sent.wait(5)
    assert sent[0] < 1000


@pytest.mark.parametrize(
    "range_",
    [
        "bytes 0-299999/300000",
        "bytes 150001-299999/300000",
        "bytes 150000-299998/300000",
        "bytes 150000-299999/300001",
        "bytes 150000-300000/300001",
        "bytes */300000",
        "nonsense",
    ],
)
def test_another_range(server, folder, range_):
    server.answers = [breaks_after(HALF), answers(206, CONTENT[HALF:], Content_Range=range_)]
    reason = f"# has another file there (bytes: {range_}, not 150000-299999/300000); look for an update"
    fails(server, folder, reason)
    assert len(server.requests) == 2


def test_no_range_said(server, folder):
    server.answers = [breaks_after(HALF), answers(206, CONTENT[HALF:])]
    reason = "# has another file there (bytes: nothing said, not 150000-299999/300000); look for an update"
    fails(server, folder, reason)


def test_a_range_of_unsaid_whole(server, folder):
    server.answers = [breaks_after(HALF), answers(206, CONTENT[HALF:], Content_Range="bytes 150000-299999/*")]
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}


def test_a_range_of_another_length(server, folder):
    range_ = "bytes 150000-299999/300000"
    server.answers = [breaks_after(HALF), answers(206, CONTENT[HALF:], Content_Range=range_, Content_Length=HALF + 1)]
    fails(server, folder, "# has another file there (bytes: 150001, not 150000); look for an update")


UNPUBLISHED = "what came is not what its authors published (another SHA-256); try again"


def test_wrong_bytes_of_the_right_number(server, folder):
    server.answers = [answers(200, WRONG, Content_Length=len(WRONG))]
    fails(server, folder, UNPUBLISHED)


def test_a_hash_in_capitals(server, folder):
    fetch(server, folder, SimpleNamespace(**{**vars(LORA), "sha256": LORA.sha256.upper()}))
    assert get_files(folder) == {FINAL: CONTENT}


# Redirects

NOT_HTTPS = "# sends to an address that is not https; name a mirror in HF_ENDPOINT"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("form", ["/elsewhere?x=1", "{address}/elsewhere?x=1"])
def test_a_redirect(server, folder, status, form):
    server.answers = [answers(status, Location=form.format(address=server.address), Content_Length=0), whole]
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert [path for path, _ in server.requests][1:] == ["/elsewhere?x=1"]


def test_a_redirect_after_a_break(server, folder):
    redirect = answers(302, Location="/elsewhere", Content_Length=0)
    server.answers = [redirect, breaks_after(HALF), redirect, whole]
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert server.ranges == [None, None, *[f"bytes={HALF}-"] * 2]


@pytest.mark.parametrize(
    "location", ["http://mirror.example/x", "//mirror.example/x", "ftp://127.0.0.1/x", "file:///x", "http://["]
)
def test_a_redirect_to_plain_http_elsewhere(server, folder, location):
    server.answers = [answers(302, Location=location, Content_Length=0)]
    fails(server, folder, NOT_HTTPS)


def test_the_second_redirect_is_looked_at_too(server, folder):
    server.answers = [answers(302, Location="/x", Content_Length=0), answers(302, Location="http://mirror.example/x")]
    fails(server, folder, NOT_HTTPS)


def test_redirects_in_circles(server, folder):
    server.answers = [answers(302, Location="/x", Content_Length=0)]
    fails(server, folder, "# cannot be asked for it (Exceeded 30 redirects.); see to HF_ENDPOINT")


@pytest.mark.parametrize(
    ("endpoint", "target", "safe"),
    [
        ("https://huggingface.co", "https://cdn.example/x", True),
        ("https://huggingface.co", "http://huggingface.co/x", False),
        ("https://huggingface.co", "http://127.0.0.1/x", False),
        ("https://127.0.0.1", "http://127.0.0.1/x", False),
        ("http://127.0.0.1:80", "http://127.0.0.1:81/x", True),
        ("http://127.0.0.1:80", "http://localhost/x", True),
        ("http://127.0.0.1:80", "http://[::1]/x", True),
        ("http://127.0.0.1:80", "http://127.0.0.1.example/x", False),
        ("http://mirror.example", "http://mirror.example:81/x", True),
        ("http://mirror.example", "https://cdn.example/x", True),
        ("http://mirror.example", "http://cdn.example/x", False),
    ],
)
def test_where_redirects_may_lead(endpoint, target, safe):
    assert is_safe(target, f"{endpoint}/a/b") is safe


# The disk


def test_too_little_room(server, folder, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=len(CONTENT) - 1))
    fails(server, folder, f"it needs 0.3 MB, and the disk of {folder} has 0.3 MB left; make room first")
    assert server.requests == []


def test_room_for_what_is_lacking(server, folder, monkeypatch):
    (folder / PART).write_bytes(CONTENT[:HALF])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=HALF))
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}


@pytest.fixture
def full_disk(folder, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("no disk here that is always full")
    open_path = Path.open

    @contextmanager
    def open_part(path, mode):
        with open_path(path, mode) as file:
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, file.fileno())
            os.close(full)
            yield file

    monkeypatch.setattr(Path, "open", open_part)
    monkeypatch.setattr(part_file, "take", lambda *_: True)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("size", [len(CONTENT), 100])  # so few are written at the end only
def test_a_disk_that_fills_up(server, folder, size):
    server.content = CONTENT[:size]
    lora = SimpleNamespace(**{**vars(LORA), "size": size})
    fails(server, folder, f"the disk of {folder} is full; make room and try again", lora)


@pytest.mark.usefixtures("full_disk")
def test_interrupting_on_a_full_disk(server, folder):
    progress = download(LORA, folder, server.address)
    next(progress), next(progress)
    with pytest.raises(KeyboardInterrupt):
        progress.throw(KeyboardInterrupt)
    assert get_files(folder) == {}


def test_no_folder(server, folder):
    with pytest.raises(DownloadError) as raised:
        fetch(server, folder / "more")
    reason = f"there is no folder {folder / 'more'}; make it, or name another"
    assert str(raised.value) == f"TCD-SDXL-LoRA was not downloaded: {reason}."
    assert get_files(folder) == {}
    assert server.requests == []


@pytest.fixture
def read_only():
    """Root may write everywhere, so it is somebody else for the while."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    folder.rmdir()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are another matter here")
def test_a_folder_that_cannot_be_written_to(server, read_only):
    reason = f"{read_only} cannot be written to (Permission denied); see to its permissions, or name another"
    fails(server, read_only, reason)
    assert server.requests == []


@pytest.mark.parametrize("leftover", [True, False])
@pytest.mark.parametrize("kind", ["file", "folder", "link to nothing"])
def test_an_existing_file(server, folder, kind, leftover):
    final = folder / FINAL
    if leftover:
        (folder / PART).touch()
    {"file": final.touch, "folder": final.mkdir, "link to nothing": lambda: final.symlink_to("x")}[kind]()
    with pytest.raises(DownloadError) as raised:
        fetch(server, folder)
    reason = f"there is a file {final} already; delete or rename that to download it again"
    assert str(raised.value) == f"TCD-SDXL-LoRA was not downloaded: {reason}."
    assert [path.name for path in folder.iterdir() if path.name != "other.safetensors"] == [FINAL]
    assert server.requests == []


def lack_hard_links(monkeypatch):
    def link(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)


@pytest.mark.parametrize("hard_links", [True, False])
def test_an_existing_file_that_comes_meanwhile(server, folder, monkeypatch, hard_links):
    if not hard_links:
        lack_hard_links(monkeypatch)
    progress = download(LORA, folder, server.address)
    next(progress)
    (folder / FINAL).write_bytes(b"mine")
    with pytest.raises(DownloadError, match=r"there is a file .* already"):
        list(progress)
    assert get_files(folder) == {FINAL: b"mine"}


def test_a_disk_without_hard_links(server, folder, monkeypatch):
    lack_hard_links(monkeypatch)
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}


def test_a_disk_without_hard_links_that_fails(server, folder, monkeypatch):
    def replace(*_):
        raise OSError(errno.EIO, "Input/output error")

    lack_hard_links(monkeypatch)
    monkeypatch.setattr(Path, "replace", replace)
    reason = f"{folder} cannot be written to (Input/output error); see to its permissions, or name another"
    fails(server, folder, reason)


# Interruptions, leftovers, and two at once


@pytest.mark.parametrize("n", [1, 2, 4])
def test_giving_up_in_the_middle(server, folder, n):
    progress = download(LORA, folder, server.address)
    for _ in range(n):
        next(progress)
    assert list(get_files(folder)) == [PART]
    progress.close()
    assert get_files(folder) == {}


@pytest.mark.parametrize("where", ["between", "receiving", "pausing", "checking"])
def test_interrupting_in_the_middle(server, folder, monkeypatch, where):
    def interrupt(*_):
        raise KeyboardInterrupt

    progress = download(LORA, folder, server.address)
    next(progress)
    if where == "receiving":
        monkeypatch.setattr(requests.Response, "iter_content", interrupt)
    elif where == "pausing":
        server.answers = [breaks_after(HALF)]
        monkeypatch.setattr(time, "sleep", interrupt)
    elif where == "checking":
        monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        progress.throw(KeyboardInterrupt) if where == "between" else list(progress)
    assert get_files(folder) == {}


def test_a_leftover_is_taken_up(server, folder):
    (folder / PART).write_bytes(CONTENT[:HALF])
    sizes = fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert sizes[0] == HALF
    assert server.ranges == [f"bytes={HALF}-"]


def test_a_leftover_that_lacks_nothing(server, folder):
    (folder / PART).write_bytes(CONTENT)
    assert fetch(server, folder) == [len(CONTENT)]
    assert get_files(folder) == {FINAL: CONTENT}
    assert server.requests == []


def test_a_leftover_that_is_too_long(server, folder):
    (folder / PART).write_bytes(CONTENT + b"x")
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert server.ranges == [None]


@pytest.mark.parametrize("size", [100, len(CONTENT)])
def test_a_leftover_of_wrong_bytes(server, folder, size):
    (folder / PART).write_bytes(b"x" * size)
    fails(server, folder, UNPUBLISHED)
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}


BUSY = "TCD-SDXL-LoRA was not downloaded: it is already being downloaded; wait until that is done."


def test_two_at_once(server, folder):
    first = download(LORA, folder, server.address)
    next(first), next(first)
    for _ in range(2):
        with pytest.raises(DownloadError) as raised:
            fetch(server, folder)
        assert str(raised.value) == BUSY
    list(first)
    assert get_files(folder) == {FINAL: CONTENT}
    assert len(server.requests) == 1


def test_two_others_at_once(server, folder):
    other = SimpleNamespace(**{**vars(LORA), "name": "TCD-SD15-LoRA"})
    first = download(LORA, folder, server.address)
    next(first), next(first)
    fetch(server, folder, other)
    list(first)
    assert get_files(folder) == {FINAL: CONTENT, "TCD-SD15-LoRA.safetensors": CONTENT}


@pytest.mark.parametrize("next_one", [True, False])
def test_one_that_ends_just_when_another_starts(server, folder, monkeypatch, next_one):
    lock = part_file.lock

    def lock_late(file):
        (folder / PART).unlink()  # as who had the lock does
        if next_one:
            (folder / PART).write_bytes(b"of a third one")
        lock(file)

    monkeypatch.setattr(part_file, "lock", lock_late)
    with pytest.raises(DownloadError) as raised:
        fetch(server, folder)
    assert str(raised.value) == BUSY
    assert get_files(folder) == ({PART: b"of a third one"} if next_one else {})


def test_a_disk_without_locks(server, folder, monkeypatch):
    def lock(_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(part_file, "lock", lock)
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}
