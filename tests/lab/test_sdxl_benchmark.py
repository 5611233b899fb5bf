"""Tests the command benchmark-sdxl with a small UNet on the CPU."""

import re
import warnings

import pytest
import torch

from tcd_sampler.lab import messages, sdxl_benchmark, sdxl_unet
from tcd_sampler.lab.command import main
from tcd_sampler.lab.demo.configuration import SDXL_UNET
from tcd_sampler.lab.parity import relative_distance

CPU = torch.device("cpu")
WIDTH = 32


@pytest.fixture(autouse=True)
def small(monkeypatch):
    widths = {"block_out_channels": [WIDTH] * 3, "attention_head_dim": [2] * 3, "cross_attention_dim": WIDTH}
    layers = {"transformer_layers_per_block": [1] * 3, "projection_class_embeddings_input_dim": WIDTH + 6 * 256}
    monkeypatch.setattr(sdxl_unet, "SDXL_UNET", {**SDXL_UNET, **widths, **layers, "sample_size": 8})
    monkeypatch.setattr(sdxl_unet, "POOLED", WIDTH)
    for module in (sdxl_benchmark, sdxl_unet):
        monkeypatch.setattr(module, "SIDE", 8)
    for name, value in {"BATCHES": (1,), "REPEATS": 1, "STEPS": (2, 3)}.items():
        monkeypatch.setattr(sdxl_benchmark, name, value)
    monkeypatch.setattr("torch.cuda.synchronize", lambda: None)
    monkeypatch.setattr("torch.cuda.set_sync_debug_mode", lambda mode: None)


@pytest.fixture
def job():
    network = sdxl_unet.condition(sdxl_unet.build_unet(CPU))
    return sdxl_benchmark.make_job(network, 2, 4, CPU)


def test_the_unet_predicts_noise_of_unit_variance(job):
    with torch.no_grad():
        output = job.network(job.noise, torch.full([2], 999))
    assert output.std() == pytest.approx(1, abs=0.1)


@torch.no_grad()
def test_tcd_equals_diffusers(job):
    ours, reference = (sdxl_benchmark.TIMED[name](job) for name in (sdxl_benchmark.TCD, sdxl_benchmark.REFERENCE))
    assert relative_distance([ours], [reference]) < 1e-5


@torch.no_grad()
def test_each_compared_sampler_has_its_own_result(job):
    results = [sampler(job) for sampler in sdxl_benchmark.COMPARED.values()]
    distances = [relative_distance([a], [b]) for i, a in enumerate(results) for b in results[:i]]
    assert min(distances) > 1e-3  # TCD with gamma 1 is almost LCM


def test_all_tables_are_printed(capsys):
    sdxl_benchmark.print_tables(CPU)
    printed = capsys.readouterr().out
    for name in (*sdxl_benchmark.TIMED, *sdxl_benchmark.COMPARED):
        assert re.search(rf"^{re.escape(name)} .*\d", printed, re.M), name
    half = [float(value) for value in re.findall(r"\d\.\de-\d\d", printed)]
    assert len(half) == 2 * 2 * len(sdxl_benchmark.COMPARED) + 1
    assert all(0 < value < 0.05 for value in half)


@pytest.mark.filterwarnings("ignore:called a synch")
def test_waits_are_counted_per_step_and_run(monkeypatch):
    """Other warnings are not counted, such as torch's about the mode, nor are waits in the first run."""
    monkeypatch.setattr("torch.cuda.set_sync_debug_mode", lambda mode: warnings.warn("a prototype", stacklevel=1))

    def sampler(job):
        for _ in range(1 + 2 * job.steps):
            warnings.warn("called a synchronizing CUDA operation (Triggered internally)", stacklevel=1)

    assert sdxl_benchmark.count_waits(sampler, CPU) == (2, 1 + 2 * sdxl_benchmark.SHORT)


def test_without_a_gpu_the_command_prints_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["benchmark-sdxl"]) == 1
    assert capsys.readouterr().err.strip() == messages.GPU_NEEDED
