"""What users are told, by its template and values, so that tests do not hold its wording."""

from contextlib import contextmanager
from string import Formatter

import pytest

from tcd_sampler import messages
from tcd_sampler.errors import UserError
from tcd_sampler.messages import Message

TEMPLATES = {name: text for name, text in vars(messages).items() if name.isupper() and isinstance(text, str)}


def said(template, **values):
    """The message, to compare with."""
    return Message(template, values)


def list_places(template):
    """The names of the values that go into it."""
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def assert_says(message, template, **values):
    """It is this message, with all the values that it has places for, and these among them."""
    assert (message.template, message.values) == (template, {**message.values, **values})
    assert message.values.keys() == list_places(template)


@contextmanager
def refused(template, **values):
    """A UserError with this message ends the block; values that are not given may be any."""
    with pytest.raises(UserError) as error:
        yield error
    assert_says(error.value.message, template, **values)
