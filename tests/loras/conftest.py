"""A server to download from, and a folder to download into."""

import pytest

from tcd_sampler.loras import download as module

from ..support.loopback import serve
from ..support.published import CONTENT


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    for name in ["HF_ENDPOINT", "http_proxy", "https_proxy", "all_proxy"]:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(module, "PAUSE", 0)
    monkeypatch.setattr(module, "CHUNK", 1000)  # of a chunk that is not whole when the connection breaks, nothing stays


@pytest.fixture
def server():
    with serve(CONTENT) as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    """A folder with a LoRA in it that is none of ours."""
    folder = tmp_path / "Lora"
    folder.mkdir()
    (folder / "other.safetensors").write_bytes(b"other")
    return folder
