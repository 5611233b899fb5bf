"""The option that names a WebUI, and the line that says what was not run without one."""

from pathlib import Path

import hypothesis


def pytest_addoption(parser):
    parser.addoption(
        "--extensions",
        type=Path,
        metavar="DIR",
        help="other extensions for the tests in tests/webui, one subfolder each (default: the WebUI's own)",
    )
    parser.addoption("--long", action="store_true", help="run the long tests in tests/webui too")
    parser.addoption(
        "--setting", action="append", default=[], metavar="KEY=VALUE", help="a setting that the WebUI starts with"
    )
    parser.addoption("--pictures", type=Path, metavar="DIR", help="where to put the README's pictures of the WebUI")
    parser.addoption("--webui", type=Path, metavar="DIR", help="a WebUI's folder, to run the tests in tests/webui with")


def pytest_configure(config):
    hypothesis.settings.register_profile("unhurried", deadline=None)  # no test fails for being slow
    hypothesis.settings.load_profile("unhurried")
    config.addinivalue_line("markers", "long: run only with --long")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_ignore_collect(collection_path, config):
    if config.getoption("--webui") is None and collection_path.name == "webui":
        return True
    return None


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("--webui") is None:
        terminalreporter.write_line(
            "Not run: tests/webui, which start a real WebUI; give them one's folder with --webui DIR."
        )
    elif not config.getoption("--long"):
        terminalreporter.write_line("Not run: the long tests; ask for them with --long.")
