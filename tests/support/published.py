"""A published LoRA to download, and what a test may see of its download."""

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
"""Seconds to wait for a server that hangs: long enough for one that does not, on a busy machine."""


def get_files(folder):
    """Returns the content of each file, except the one that the folder fixture puts there."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "other.safetensors"}


def start(folder, lora=LORA, timeout=60.0):
    return download(lora, folder, timeout=timeout, pauses=[0] * RETRIES)


def fetch(folder, lora=LORA):
    """Downloads from HF_ENDPOINT and returns every progress report."""
    return list(start(folder, lora))


def fails(template, values, folder, progress=None):
    """The download ends in exactly this message and leaves the folder as it was."""
    before = get_files(folder)
    with pytest.raises(UserError) as raised:
        list(progress or start(folder))
    assert raised.value.message == Message(template, values)
    assert get_files(folder) == before
