"""Downloads of what the demo does not contain."""

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError

from ...errors import UserError
from .errors import first_line


def download(repository: str, files: list[str], refusal: str, /, **values: object) -> Path:
    """Returns the folder of a repository of the hub with these files (patterns), which are downloaded once.

    Raises UserError with the refusal, a template that has a place for the reason and for the values.
    """
    try:
        return Path(snapshot_download(repository, allow_patterns=files))
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise UserError(refusal, reason=first_line(error), **values) from error
