"""The one exception that stands for what a user can fix; any other is a bug, and keeps its traceback."""

from typing import Any

from .messages import Message


class UserError(ValueError):
    """Bad input or a state that the user can change, in one sentence: the field, the value, and what is allowed.

    It becomes a 422 over HTTP, a sentence in a page, and exit status 1 of a command.

    Args:
        template: One of messages.py.
        values: What goes into it.
    """

    def __init__(self, template: str, **values: Any) -> None:
        self.message = Message(template, values)
        super().__init__(str(self.message))
