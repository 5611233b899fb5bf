"""Downloads one published LoRA file, whole and checked, or says in one sentence why not."""

import errno
import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urljoin, urlsplit

import requests

from .part_file import TakenError, close, empty, open_part, put_in_place

ENDPOINT = "https://huggingface.co"
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
ATTEMPTS = 5
"""How often in a row a broken connection is taken up again without getting any further."""
PAUSE = 1.0
"""Seconds before the first of these; each further pause is twice as long."""
CHUNK = 2**16
PLAIN_NAME = re.compile(r"\w[\w-]*(\.[\w-]+)*", re.ASCII)
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
STATUSES = {
    401: "gives it to nobody without an account",
    403: "does not give it out",
    404: "does not have it (any more)",
    429: "has had too many requests from here",
}


class Published(Protocol):
    """A LoRA file as its authors published it; its name here has no ending."""

    @property
    def name(self) -> str: ...
    @property
    def repository(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...


class DownloadError(Exception):
    """The file was not downloaded, and nothing of it is left; says why in one sentence."""

    def __init__(self, lora: Published, reason: str) -> None:
        super().__init__(f"{lora.name} was not downloaded: {reason}.")


class TemporaryError(DownloadError):
    """It may be worth another attempt."""


def download(lora: Published, folder: Path, endpoint: str | None = None) -> Generator[int, None, None]:
    """Puts the LoRA into the folder as <name>.safetensors, and yields how many bytes are there, time and again.

    The endpoint is a mirror's address (else the environment's HF_ENDPOINT, else Hugging Face's). Closing the iterator
    gives the download up. Only a killed process leaves its part file behind, and the next download goes on with that.
    """
    if not PLAIN_NAME.fullmatch(lora.name):
        raise DownloadError(lora, "this is not a plain file name")
    endpoint = (endpoint or os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    if not endpoint.startswith(("https://", "http://")):
        raise DownloadError(lora, f"{endpoint} is not an address such as {ENDPOINT}; correct HF_ENDPOINT")
    final = folder / f"{lora.name}.safetensors"
    try:
        if not folder.is_dir():
            raise DownloadError(lora, f"there is no folder {folder}; make it, or name another")
        with open_part(get_part(lora, folder)) as file:
            if file.tell() > lora.size:
                empty(file)
            refuse_existing(lora, final)
            refuse_full_disk(lora, folder, file)
            yield file.tell()
            yield from fill(lora, file, f"{endpoint}/{lora.repository}/resolve/main/{lora.path}")
            check(lora, file)
            publish(lora, file, final)
    except TakenError as error:
        raise DownloadError(lora, "it is already being downloaded; wait until that is done") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DownloadError(lora, f"the disk of {folder} is full; make room and try again") from error
        reason = f"{folder} cannot be written to ({error.strerror}); see to its permissions, or name another"
        raise DownloadError(lora, reason) from error


def get_part(lora: Published, folder: Path) -> Path:
    """Where it is written to: a name that no WebUI lists."""
    return folder / f".{lora.name}.part"


def refuse_existing(lora: Published, final: Path) -> None:
    if os.path.lexists(final):
        raise DownloadError(lora, f"there is a file {final} already; delete or rename that to download it again")


def refuse_full_disk(lora: Published, folder: Path, file: BinaryIO) -> None:
    needed, free = lora.size - file.tell(), shutil.disk_usage(folder).free
    if free < needed:
        reason = f"it needs {megabytes(needed)}, and the disk of {folder} has {megabytes(free)} left; make room first"
        raise DownloadError(lora, reason)


def megabytes(n: int) -> str:
    return f"{n / 1e6:.1f} MB"


# What comes over the network


def fill(lora: Published, file: BinaryIO, url: str) -> Iterator[int]:
    """Receives the rest of the file, in as many attempts as it takes while each gets further than all before."""
    furthest = file.tell()
    failures = ATTEMPTS - 1  # until something has come, a failure is the last
    while file.tell() < lora.size:
        try:
            yield from receive(lora, file, url)
        except TemporaryError:
            failures = 0 if file.tell() > furthest else failures + 1
            if failures == ATTEMPTS:
                raise
            furthest = max(furthest, file.tell())
            time.sleep(PAUSE * 2**failures)


def receive(lora: Published, file: BinaryIO, url: str) -> Iterator[int]:
    """One attempt: asks for what is lacking, and appends what comes."""
    try:
        with ask(lora, url, file.tell()) as response:
            if find_start(lora, response, file.tell()) < file.tell():
                empty(file)
            for chunk in response.iter_content(CHUNK):
                if file.tell() + len(chunk) > lora.size:
                    raise wrong_size(lora, response, f"more than {lora.size}")
                file.write(chunk)
                yield file.tell()
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise TemporaryError(lora, describe(error, url)) from error
    except (requests.RequestException, ValueError) as error:
        raise DownloadError(lora, f"{host(url)} cannot be asked for it ({error}); see to HF_ENDPOINT") from error
    if file.tell() < lora.size:
        raise TemporaryError(lora, f"the connection to {host(url)} broke off; try again")


def ask(lora: Published, url: str, start: int) -> Any:
    headers = {"Accept-Encoding": "identity"}  # sizes are the file's own
    if start:
        headers["Range"] = f"bytes={start}-"
    timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
    hooks = {"response": partial(refuse_redirect, lora, url)}
    return requests.get(url, headers=headers, stream=True, timeout=timeout, hooks=hooks)


def refuse_redirect(lora: Published, url: str, response: Any, **_: Any) -> None:
    """Called with every answer, before a redirect in it is followed."""
    with suppress(ValueError):  # no address at all
        if not response.is_redirect or is_safe(urljoin(response.url, response.headers["location"]), url):
            return
    response.close()
    raise DownloadError(lora, f"{host(url)} sends to an address that is not https; name a mirror in HF_ENDPOINT")


def is_safe(target: str, url: str) -> bool:
    """Whether a redirect may be followed: to https; or if the endpoint is plain http itself, on its host or this."""
    target_parts, parts = urlsplit(target), urlsplit(url)
    if parts.scheme == target_parts.scheme == "http":
        return target_parts.hostname in LOOPBACK | {parts.hostname}
    return target_parts.scheme == "https"


def find_start(lora: Published, response: Any, asked: int) -> int:
    """Where the answer begins in the file. Raises on any answer but this file, from where it was asked for or whole."""
    start = asked if response.status_code == 206 else 0
    if response.status_code == 206:
        sent = response.headers.get("Content-Range", "nothing said")
        if not re.fullmatch(rf"bytes {start}-{lora.size - 1}/({lora.size}|\*)", sent):
            raise wrong_size(lora, response, f"{sent}, not {start}-{lora.size - 1}/{lora.size}")
    elif response.status_code != 200:
        raise wrong_status(lora, response)
    length = response.headers.get("Content-Length", str(lora.size - start))
    if length != str(lora.size - start):
        raise wrong_size(lora, response, f"{length}, not {lora.size - start}")
    return start


def wrong_size(lora: Published, response: Any, bytes_: str) -> DownloadError:
    return DownloadError(lora, f"{host(response.url)} has another file there (bytes: {bytes_}); look for an update")


def wrong_status(lora: Published, response: Any) -> DownloadError:
    status = response.status_code
    if status == 429 or status >= 500:
        what = STATUSES.get(status, "has a fault")
        return TemporaryError(lora, f"{host(response.url)} {what} (HTTP {status}); try again later")
    what = STATUSES.get(status, "refuses")
    advice = f"look at {ENDPOINT}/{lora.repository}, or name a mirror in HF_ENDPOINT"
    return DownloadError(lora, f"{host(response.url)} {what} (HTTP {status}); {advice}")


def describe(error: Any, url: str) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"{host(url)} does not answer; try again later"
    if error.request is not None:  # it was not even answered
        where = host(error.request.url)
        return f"{where} cannot be reached; connect to the internet, or name a mirror in HF_ENDPOINT, and try again"
    return f"the connection to {host(url)} broke off; try again"


def host(url: str) -> str:
    return url.split("/")[2].rpartition("@")[2]


# From the part file to the LoRA


def check(lora: Published, file: BinaryIO) -> None:
    """Reads what is on the disk, wherever it came from."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    if digest.hexdigest() != lora.sha256.lower():
        raise DownloadError(lora, "what came is not what its authors published (another SHA-256); try again")
    os.fsync(file.fileno())  # a power cut must not leave the name without the bytes


def publish(lora: Published, file: BinaryIO, final: Path) -> None:
    """Gives the part file its name, in one step, and not if there is such a file by now."""
    if sys.platform == "win32":
        close(file)  # an open file cannot be renamed there
    try:
        put_in_place(get_part(lora, final.parent), final)
    except FileExistsError:
        refuse_existing(lora, final)
        raise
