"""Which numbers and texts are valid gammas."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcd_sampler import messages
from tcd_sampler.gamma import check_gamma, parse_gamma

from ..support.messages import refused


@given(st.floats(0, 1))
def test_numbers_from_0_to_1(value):
    assert check_gamma(value) == parse_gamma(repr(value)) == value


@pytest.mark.parametrize("value", [0, 1, numpy.float32(0.5), numpy.int64(1)])
def test_other_kinds_of_number(value):
    assert check_gamma(value) == float(value)
    assert type(check_gamma(value)) is float


@given(
    st.one_of(st.text(), st.none(), st.booleans(), st.lists(st.floats()), st.floats().filter(lambda x: not 0 <= x <= 1))
)
def test_everything_else_is_refused_in_one_short_sentence(value):
    with refused(messages.BAD_GAMMA, field="TCD gamma") as error:
        check_gamma(value, "TCD gamma")
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("text", ["inf", "-inf", "-0.1", "1.1"])
def test_text_with_a_number_out_of_range_is_refused(text):
    with refused(messages.BAD_GAMMA, field="TCD gamma", value=text):
        parse_gamma(text, "TCD gamma")


@pytest.mark.parametrize("text", ["", "high", "nan", "0,3", "[0.3]"])
def test_text_that_is_no_number_is_refused(text):
    with refused(messages.BAD_GAMMA, field="TCD gamma", value=repr(text)):
        parse_gamma(text, "TCD gamma")
