"""A published LoRA, and what becomes of a folder that it is downloaded into."""

import hashlib
import random
from types import SimpleNamespace

import pytest

from tcd_sampler.loras import download as module
from tcd_sampler.loras.download import DownloadError, download

CONTENT = random.Random(0).randbytes(300_000)
LORA = SimpleNamespace(
    name="TCD-SDXL-LoRA",
    repository="h1t/TCD-SDXL-LoRA",
    path="pytorch_lora_weights.safetensors",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)
FINAL = f"{LORA.name}.safetensors"
PART = f".{LORA.name}.part"
HALF = 150_000
CHUNK = module.CHUNK
WRONG = CONTENT[:HALF] + b"\0" * HALF


def get_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "other.safetensors"}


def fetch(server, folder, lora=LORA):
    """What is there in the end, which has to be said before it."""
    return list(download(lora, folder, server.address))


def fails(server, folder, reason, lora=LORA):
    """The download fails for that reason (of which # is the server's port), and the folder is as before."""
    before = get_files(folder)
    before.pop(PART, None)  # a leftover is used up
    with pytest.raises(DownloadError) as raised:
        fetch(server, folder, lora)
    sentence = f"{lora.name} was not downloaded: {reason.replace('#', f'127.0.0.1:{server.server_port}')}."
    assert str(raised.value) == sentence
    assert get_files(folder) == before
