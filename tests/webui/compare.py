"""Compares the results of two jobs, and reads values from one."""

import numpy

from .jobs import OPTION

SAME = 2  # of 255, because float32 sums may have another order

LIMIT = 1e-5

ALONE = "TCD skips the negative prompt."
BOTH = "TCD evaluates the negative prompt: {}."


def distance(ours, reference):
    """Returns the relative L2 distance of two tensors."""
    return float((ours - reference).norm() / reference.norm())


def difference(one, other):
    return numpy.abs(one.pixels - other.pixels).max()


def gamma(result, key="TCD gamma"):
    """Returns the gamma in an infotext, or None."""
    parts = result.infotext.replace("\n", ", ").split(", ")
    found = [part for part in parts if part.startswith(f"{key}: ")]
    return float(found[0].partition(": ")[2]) if found else None


def log(result):
    """Returns what the extension logged in a job: a sentence for each pass."""
    return result.info["extra_generation_params"]["log"]


def assert_same(one, other):
    assert one.record.keys() == other.record.keys() >= {"x", "denoised"}
    for key in one.record.keys() & {"x", "denoised", "final"}:
        for ours, reference in zip(one.record[key], other.record[key], strict=True):
            assert numpy.linalg.norm(ours - reference) <= LIMIT * numpy.linalg.norm(reference), key
    assert one.info["infotexts"] == other.info["infotexts"]


def assert_half_the_batch_entries(one, other):
    assert (one.rows, other.rows) == (1, 2)
    assert (log(one), log(other)) == (ALONE, BOTH.format(f"the setting {OPTION} is off"))
    assert_same(one, other)
