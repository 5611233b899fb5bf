"""What the TCD authors' repository says, as differences of measured points.

https://github.com/jabir-zheng/TCD
"""

from dataclasses import dataclass
from enum import Enum

from ..demo.samplers import LCM
from .bootstrap import Estimate
from .estimates import DISTANCE, Estimates
from .methods import DEFAULT, DPM_2S, ENCODED, GAMMA_CALLS, UNET_CALLS, get_name
from .results import BITS, CONTRAST, RECALL

MARGINS = {DISTANCE: 2.0, RECALL: 0.05}
"""By how much a claim of NOT_LESS or NOT_MORE may be missed."""

Point = tuple[str, int]
"""The name of a method, and a number of UNet calls."""


class Expected(Enum):
    """What a claim says of a difference."""

    LESS = "less"
    MORE = "more"
    NOT_LESS = "not less"
    NOT_MORE = "not more"
    DIFFERENT = "different"


class Verdict(Enum):
    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Claim:
    """Says how a quantity of one point differs from that of another."""

    text: str
    quantity: str
    point: Point
    other: Point
    expected: Expected

    def get_difference(self, estimates: Estimates) -> Estimate:
        return estimates.get(*self.point, self.quantity) - estimates.get(*self.other, self.quantity)

    def judge(self, difference: Estimate) -> Verdict:
        """Compares the claim with the interval of the difference."""
        return judge(self.expected, difference.interval, MARGINS.get(self.quantity, 0.0))


def judge(expected: Expected, interval: tuple[float, float], margin: float) -> Verdict:
    """Returns whether a difference is as expected, given its interval and the margin of NOT_LESS and NOT_MORE."""
    low, high = interval
    if expected in (Expected.MORE, Expected.NOT_LESS):
        low, high = -high, -low
    if expected in (Expected.NOT_LESS, Expected.NOT_MORE):
        low, high = low - margin, high - margin
    if high < 0 or (expected is Expected.DIFFERENT and low > 0):
        return Verdict.SUPPORTED
    return Verdict.CONTRADICTED if low > 0 else Verdict.UNDECIDED


TEACHER = DPM_2S.name
"""The model without a LoRA, with the sampler and CFG that the paper compares with."""

CLAIMS = [
    *(
        Claim("Closer to real images than LCM", DISTANCE, (DEFAULT, calls), (LCM.name, calls), Expected.LESS)
        for calls in UNET_CALLS
    ),
    *(
        Claim("More calls do not harm TCD", DISTANCE, (name, 50), (name, 4), Expected.NOT_MORE)
        for name in (DEFAULT, get_name(0))
    ),
    Claim("More calls harm LCM", DISTANCE, (LCM.name, 50), (LCM.name, 4), Expected.MORE),
    *(
        Claim("Better than the teacher at many calls", DISTANCE, (DEFAULT, calls), (TEACHER, calls), Expected.LESS)
        for calls in (16, 50)
    ),
    *(
        Claim("Gamma changes the detail", quantity, (get_name(1), calls), (get_name(0), calls), Expected.DIFFERENT)
        for quantity in (CONTRAST, BITS)
        for calls in GAMMA_CALLS
    ),
    Claim("No mode collapse", RECALL, (DEFAULT, 4), (TEACHER, 16), Expected.NOT_LESS),
    Claim("No mode collapse", RECALL, (DEFAULT, 4), (ENCODED, 0), Expected.NOT_LESS),
]
