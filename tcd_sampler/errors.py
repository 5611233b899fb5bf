"""The exception for everything that a user can fix. Any other exception is a bug and keeps its traceback."""

from typing import Any

from .messages import Message


class UserError(ValueError):
    """Bad input, or a state that the user can change, described by one message.

    The API returns it as HTTP 422, the page shows its text, and commands exit with status 1.

    Args:
        template: A template of messages.py.
        values: The values of the template's placeholders.
    """

    def __init__(self, template: str, **values: Any) -> None:
        self.message = Message(template, values)
        super().__init__(str(self.message))


def get_reason(error: Exception) -> Message | str:
    """Returns an error's reason for a message, without the path of an OSError, which visitors may not see."""
    if isinstance(error, UserError):
        return error.message
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error)
