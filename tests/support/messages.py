"""Compares messages by template and values, so that tests do not repeat their wording."""

from contextlib import contextmanager
from string import Formatter

import pytest

from tcd_sampler import messages
from tcd_sampler.errors import UserError
from tcd_sampler.messages import Message

TEMPLATES = {name: text for name, text in vars(messages).items() if name.isupper() and isinstance(text, str)}


def said(template, **values):
    """Returns the expected message."""
    return Message(template, values)


def list_places(template):
    """Returns the names of a template's values."""
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def assert_says(message, template, **values):
    """Asserts that a message has this template, these values, and every value that the template needs."""
    assert (message.template, message.values) == (template, {**message.values, **values})
    assert message.values.keys() == list_places(template)


@contextmanager
def refused(template, **values):
    """Asserts that a UserError with this message ends the block. Values that are not given may be anything."""
    with pytest.raises(UserError) as error:
        yield error
    assert_says(error.value.message, template, **values)
