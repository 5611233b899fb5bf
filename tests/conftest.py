"""The option that names a WebUI, and the line that says what was not run without one."""

from pathlib import Path


def pytest_addoption(parser):
    parser.addoption("--pictures", type=Path, metavar="DIR", help="where to put the README's pictures of the WebUI")
    parser.addoption("--webui", type=Path, metavar="DIR", help="a WebUI's folder, to run the tests in tests/host with")


def pytest_ignore_collect(collection_path, config):
    if config.getoption("--webui") is None and collection_path.name == "host":
        return True
    return None


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("--webui") is None:
        terminalreporter.write_line(
            "Not run: tests/host, which start a real WebUI; give them one's folder with --webui DIR."
        )
