"""Command-line options that select tests, a summary of the tests that were not run, and the k-diffusion fixture."""

from pathlib import Path

import hypothesis
import pytest
import torch

from .support.kdiffusion import import_k_diffusion

MARKERS = {"long": "--long", "slow": "--slow"}
"""Options by marker. A marked test runs only with its option."""

COUNTS = pytest.StashKey[dict]()
"""Number of deselected tests, by marker."""


@pytest.fixture(scope="session")
def k_diffusion():
    return import_k_diffusion()


def pytest_addoption(parser):
    parser.addoption(
        "--extensions",
        type=Path,
        metavar="DIR",
        help="other extensions for the tests in tests/webui, one subfolder each (default: the WebUI's own)",
    )
    parser.addoption("--long", action="store_true", help="run the long tests in tests/webui too")
    parser.addoption(
        "--sdxl",
        type=Path,
        metavar="DIR",
        help="start Forge and its forks with checkpoints in SDXL's layout, kept in DIR",
    )
    parser.addoption(
        "--setting", action="append", default=[], metavar="KEY=VALUE", help="a setting that the WebUI starts with"
    )
    parser.addoption("--screenshots", type=Path, metavar="DIR", help="where to put the README's images of the WebUI")
    parser.addoption("--slow", action="store_true", help="run the slow tests outside tests/webui too")
    parser.addoption(
        "--worker", type=Path, metavar="DIR", help="another WebUI's folder, for the worker in test_distributed.py"
    )
    parser.addoption("--webui", type=Path, metavar="DIR", help="a WebUI's folder, to run the tests in tests/webui with")


def pytest_configure(config):
    config.stash[COUNTS] = {}
    torch.set_num_threads(1)  # on a busy machine, more threads wait for each other and lose more time than they save
    hypothesis.settings.register_profile("unhurried", deadline=None)  # slow examples do not fail a test
    hypothesis.settings.load_profile("unhurried")
    for marker, option in MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: run only with {option}")


def pytest_collection_modifyitems(config, items):
    for marker, option in MARKERS.items():
        if not config.getoption(option):
            left_out = [item for item in items if item.get_closest_marker(marker)]
            config.hook.pytest_deselected(items=left_out)
            config.stash[COUNTS][marker] = len(left_out)
            items[:] = [item for item in items if not item.get_closest_marker(marker)]


def pytest_ignore_collect(collection_path, config):
    if config.getoption("--webui") is None and collection_path.name == "webui":
        return True
    return None


def pytest_terminal_summary(terminalreporter, config):
    counts = config.stash[COUNTS]
    if counts.get("slow"):
        terminalreporter.write_line(f"Not run: {counts['slow']} slow tests. Add --slow to run them.")
    if counts.get("long"):
        terminalreporter.write_line(f"Not run: {counts['long']} long tests. Add --long to run them.")
    if config.getoption("--webui") is None:
        terminalreporter.write_line("Not run: tests/webui, which start a real WebUI. Add --webui DIR to run them.")
