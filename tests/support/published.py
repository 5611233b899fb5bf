"""A published LoRA to download, and helpers that download it and check the result."""

import hashlib
import random
from dataclasses import replace

import pytest

from tcd_sampler.errors import UserError
from tcd_sampler.loras.catalogue import CATALOGUE
from tcd_sampler.loras.download import download
from tcd_sampler.messages import Message

CONTENT = random.Random(0).randbytes(1_000_000)
HALF = 500_000
WRONG = CONTENT[:HALF] + b"\0" * HALF
LORA = replace(
    CATALOGUE.for_tcd[0],
    name="TCD-SDXL-LoRA",
    repository="h1t/TCD-SDXL-LoRA",
    path="pytorch_lora_weights.safetensors",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)
PATH = "/h1t/TCD-SDXL-LoRA/resolve/main/pytorch_lora_weights.safetensors"
PAGE = "https://huggingface.co/h1t/TCD-SDXL-LoRA"
FINAL = f"{LORA.name}.safetensors"
RETRIES = 2
SHORT = 3.0
"""Timeout in seconds for servers that hang. Others answer in time even on a busy machine."""


def get_files(folder):
    """Returns each file's content by name, except for the file that the folder fixture creates."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "other.safetensors"}


def start(folder, lora=LORA, timeout=60.0):
    return download(lora, folder, timeout=timeout, pauses=[0] * RETRIES)


def fetch(folder, lora=LORA):
    """Downloads from HF_ENDPOINT and returns every progress report."""
    return list(start(folder, lora))


def fails(template, values, folder, progress=None):
    """Asserts that the download fails with exactly this message and leaves the folder unchanged."""
    before = get_files(folder)
    with pytest.raises(UserError) as raised:
        list(progress or start(folder))
    assert raised.value.message == Message(template, values)
    assert get_files(folder) == before
