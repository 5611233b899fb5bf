"""Only operations that make the CPU wait for a GPU are counted, alone and in whole samplers."""

import pytest
import torch

from tcd_sampler import sample_tcd
from tcd_sampler.lab.benchmark import count_syncs, wrap_sampler
from tcd_sampler.lab.gpu_syncs import GPU, CountSyncs, GpuTensor


@pytest.fixture
def x():
    return GpuTensor(torch.arange(6.0))


@pytest.mark.parametrize(
    ("run", "count"),
    [
        pytest.param(lambda x: x * 2 + x, 0, id="arithmetic"),
        pytest.param(lambda x: x * torch.tensor(2.0), 0, id="a number on the CPU"),
        pytest.param(lambda x: x.new_ones(3), 0, id="a new tensor"),
        pytest.param(lambda x: float(x[0]), 1, id="item"),
        pytest.param(lambda x: bool((x > 2).all()), 1, id="bool"),
        pytest.param(lambda x: x.cpu(), 1, id="a copy to the CPU"),
        pytest.param(lambda x: torch.ones(6).to(GPU), 1, id="a copy to the GPU"),
        pytest.param(lambda x: x[x > 2], 1, id="a mask"),
        pytest.param(lambda x: x.nonzero(), 1, id="nonzero"),
    ],
)
def test_operations(x, run, count):
    with CountSyncs() as mode:
        run(x)
    assert mode.count == count


def test_values_are_real(x):
    with CountSyncs():
        assert (x * 2).sum().item() == 30


def test_a_gpu_tensor_outside_count_syncs_is_an_error(x):
    with pytest.raises(RuntimeError, match="outside CountSyncs"):
        x + 1


def sample_with_a_wait(model, x, sigmas, disable, noise_sampler):
    for sigma in sigmas[:-1]:
        x = model(x, sigma * x.new_ones([1]))
        x.sum().item()


@pytest.mark.parametrize(
    ("sample", "expected"), [(sample_tcd, (0, 1)), (sample_with_a_wait, (1, 4))], ids=["TCD", "one per step"]
)
def test_samplers(sample, expected):
    """The expected counts are those per step and in a job of four steps."""
    with torch.no_grad():
        assert count_syncs(wrap_sampler(sample)) == expected
