"""Downloads a published LoRA and verifies its size and SHA-256.

It uses requests, because in the versions that WebUIs contain (0.14 to 2.4) huggingface_hub cannot cancel within a file
and verifies no hash. It also leaves a .cache folder among the LoRAs, and before 1.0 it gives up at the first
interruption. It reports most HTTP errors as a missing connection, so messages could not name the cause.
"""

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import requests

from .. import messages
from ..errors import UserError, get_reason
from .catalogue import PublishedLoRA
from .temporary_file import move_into_place

HUB = "https://huggingface.co"
CONNECT_TIMEOUT = 10.0
CHUNK = 2**16
ABANDONED = 3600.0
"""Seconds after the last write to a temporary file. Its process was killed: a running download fails much earlier."""
STATUSES = {401: messages.LOGIN_REQUIRED, 403: messages.LOGIN_REQUIRED, 404: messages.NOT_ON_HOST}


class TemporaryError(UserError):
    """A failure that a retry may fix."""


def download(
    lora: PublishedLoRA, folder: Path, *, timeout: float = 30.0, pauses: Sequence[float] = (1, 2, 4, 8)
) -> Generator[int, None, None]:
    """Downloads the LoRA to <name>.safetensors in the folder and yields the bytes received so far, repeatedly.

    Closing the generator cancels the download.

    Args:
        timeout: Seconds to wait for the server's next bytes.
        pauses: Seconds before each retry after an interruption. Progress makes all of them available again.

    Raises:
        UserError: The file could not be downloaded. No partial file remains.
    """
    url = get_url(lora)
    final = folder / f"{lora.name}.safetensors"
    part = folder / f".{lora.name}.{secrets.token_hex(4)}.part"  # no WebUI lists this name
    try:
        prepare(lora, folder, final)
        with part.open("xb") as file:
            yield 0
            yield from receive_all(lora, file, url, timeout, pauses)
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave the name without the bytes
        if compute_sha256(part) != lora.sha256:
            raise UserError(messages.CHECKSUM_MISMATCH, lora=lora.name)
        move_into_place(part, final)
    except FileExistsError as error:
        raise UserError(messages.FILE_EXISTS, file=final) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            size = f"{lora.size / 1e6:.0f}"
            raise UserError(messages.DISK_FULL, lora=lora.name, folder=folder, size=size) from error
        raise UserError(messages.CANNOT_WRITE, file=final, reason=get_reason(error)) from error
    finally:
        with suppress(OSError):
            part.unlink()


def get_url(lora: PublishedLoRA) -> str:
    """Returns the file's address on the hub or on the mirror that HF_ENDPOINT names."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise UserError(messages.OFFLINE, lora=lora.name)
    endpoint = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    if not re.match(r"https?://[^/]", endpoint):
        raise UserError(messages.BAD_ENDPOINT, example=HUB, value=endpoint)
    return f"{endpoint}/{lora.repository}/resolve/main/{lora.path}"


def prepare(lora: PublishedLoRA, folder: Path, final: Path) -> None:
    """Removes leftovers of killed downloads, and checks the folder, the name and the free space.

    Raises UserError, FileExistsError or OSError.
    """
    if not folder.is_dir():
        raise UserError(messages.NO_FOLDER, folder=folder)
    for part in folder.glob(f".{lora.name}.*.part"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > ABANDONED:
                part.unlink()
    if os.path.lexists(final):
        raise FileExistsError
    if shutil.disk_usage(folder).free < lora.size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def receive_all(
    lora: PublishedLoRA, file: BinaryIO, url: str, timeout: float, pauses: Sequence[float]
) -> Generator[int, None, None]:
    """Resumes after interruptions. Before any progress, the first failure is final."""
    furthest, left = 0, iter(pauses[:0])
    while file.tell() < lora.size:
        try:
            yield from receive(lora, file, url, timeout)
        except TemporaryError:
            if file.tell() > furthest:
                furthest, left = file.tell(), iter(pauses)
            if (pause := next(left, None)) is None:
                raise
            time.sleep(pause)


def receive(lora: PublishedLoRA, file: BinaryIO, url: str, timeout: float) -> Iterator[int]:
    """Requests the rest of the file and appends it. A server without ranges sends the whole file, which replaces it."""
    with send_request(lora, url, file.tell(), timeout) as response:
        values = {"lora": lora.name, "host": get_host(response.url)}
        if response.status_code not in (200, 206):
            raise make_http_error(lora, response.status_code, values)
        file.seek(file.tell() if response.status_code == 206 else 0)
        if response.headers.get("Content-Length") not in (None, str(lora.size - file.tell())):
            raise UserError(messages.SIZE_MISMATCH, **values)
        with suppress(requests.RequestException):  # an interruption, which the size below reveals
            for chunk in response.iter_content(CHUNK):
                if file.tell() + len(chunk) > lora.size:
                    raise UserError(messages.SIZE_MISMATCH, **values)
                file.write(chunk)
                yield file.tell()
    if file.tell() < lora.size:
        raise TemporaryError(messages.INTERRUPTED, **values)


def send_request(lora: PublishedLoRA, url: str, start: int, timeout: float) -> Any:
    """Returns the response with the file's bytes from start on. Raises UserError if there is no response."""
    session = requests.Session()
    plain = session.adapters.pop("http://")  # so that a redirect to plain http fails before anything is sent
    if url.startswith("http://"):
        session.mount(f"http://{url.split('/')[2]}/", plain)  # the user named this server
    headers = {"Accept-Encoding": "identity"}  # compression would change the sizes
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return session.get(url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, timeout))
    except requests.exceptions.InvalidSchema as error:
        raise UserError(messages.NOT_HTTPS, lora=lora.name, host=get_host(url)) from error
    except (requests.ConnectionError, requests.Timeout) as error:
        host = get_host(error.request.url if error.request else url)  # a redirect may lead to another
        raise TemporaryError(messages.UNREACHABLE, lora=lora.name, host=host) from error
    except (requests.RequestException, ValueError) as error:
        raise UserError(messages.BAD_REQUEST, lora=lora.name, host=get_host(url), reason=error) from error


def make_http_error(lora: PublishedLoRA, status: int, values: dict[str, str]) -> UserError:
    """Returns the error for an HTTP status: a TemporaryError if a retry may help."""
    kind = TemporaryError if status == 429 or status >= 500 else UserError
    page = f"{HUB}/{lora.repository}"
    return kind(STATUSES.get(status, messages.HTTP_ERROR), **values, status=status, page=page)


def get_host(url: str) -> str:
    return url.split("/")[2].rpartition("@")[2]


def compute_sha256(path: Path) -> str:
    """Reads the file back, so that it verifies what is on the disk."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
