"""Fixtures: a server to download from, a folder to download into, and a LoRA's path."""

import pytest

from ..support.loopback import serve
from ..support.published import CONTENT


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """Keeps this machine's proxies and hub settings out of the tests."""
    for name in ["HF_ENDPOINT", "HF_HUB_OFFLINE", "http_proxy", "https_proxy", "all_proxy", "no_proxy"]:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server(monkeypatch):
    """A local server that the code under test uses as the hub."""
    with serve(CONTENT) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        yield server


@pytest.fixture
def folder(tmp_path):
    """A folder with another LoRA in it."""
    folder = tmp_path / "Lora"
    folder.mkdir()
    (folder / "other.safetensors").write_bytes(b"other")
    return folder


@pytest.fixture
def path(tmp_path):
    return tmp_path / "my style.safetensors"
