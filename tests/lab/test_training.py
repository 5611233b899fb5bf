import math

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from safetensors.torch import load_file
from torch import nn

from tcd_sampler.lab.miniature.architecture import BETAS
from tcd_sampler.lab.training import vae as vae_training
from tcd_sampler.lab.training.command import train
from tcd_sampler.lab.training.distillation import Jump, draw_timesteps, get_loss
from tcd_sampler.lab.training.run import Run, get_average, get_learning_rate, read_log

ALPHAS_CUMPROD = DDPMScheduler(**BETAS).alphas_cumprod


def make_run(folder, steps=12, **options):
    torch.manual_seed(0)
    return Run("line", folder, nn.Linear(3, 1), steps, warmup=2, **options)


def fit_line(run):
    def loss(step):
        x = torch.randn(4, 3)
        return (run.model(x)[:, 0] - x.sum(1)).square().mean(), {"seen": float(step)}

    return loss


class Stopped(BaseException):
    """Interrupts a run like a signal."""


@pytest.mark.parametrize("stop_at", [1, 5, 11])
def test_a_continued_run_equals_an_uninterrupted_one(tmp_path, stop_at, monkeypatch):
    monkeypatch.setattr("tcd_sampler.lab.training.run.SAVE_SECONDS", -1.0)
    monkeypatch.setattr("tcd_sampler.lab.training.run.LOG_STEPS", 1)
    whole, stopped = make_run(tmp_path / "whole"), make_run(tmp_path / "stopped")
    whole.train(fit_line(whole))

    def stop(step):
        if step == stop_at:
            raise Stopped
        return fit_line(stopped)(step)

    with pytest.raises(Stopped):
        stopped.train(stop)
    resumed = make_run(tmp_path / "stopped")
    assert resumed.step == stop_at
    resumed.train(fit_line(resumed))
    for a, b in ((resumed.model, whole.model), (resumed.average, whole.average)):
        assert all(torch.equal(value, b.state_dict()[key]) for key, value in a.state_dict().items())
    logs = [list(read_log(tmp_path / name / "line.csv")) for name in ("whole", "stopped")]
    assert [row["loss"] for row in logs[0]] == [row["loss"] for row in logs[1]]
    assert [row["step"] for row in logs[1]] == [str(step) for step in range(1, 13)]


@pytest.mark.slow
def test_a_run_learns(tmp_path):
    run = make_run(tmp_path, steps=400, peak=0.1)
    run.train(fit_line(run))
    assert (run.average.module.weight - 1).abs().max() < 0.05


def test_a_finished_run_is_left_unchanged(tmp_path):
    make_run(tmp_path).train(fit_line(make_run(tmp_path / "other")))
    finished = make_run(tmp_path)
    before = finished.path.read_bytes()
    finished.train(lambda step: pytest.fail("took a step"))
    assert torch.load(finished.path, weights_only=True)["step"] == 12
    assert len(finished.path.read_bytes()) == len(before)


def test_the_learning_rate_rises_and_falls():
    rates = [get_learning_rate(step, 100, 1.0, 10) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1
    assert rates[55] == pytest.approx(0.5)
    assert sorted(rates[10:], reverse=True) == rates[10:]
    assert rates[-1] < 0.001


def test_the_average_forgets_the_initial_weights():
    averages, update = [torch.tensor([100.0])], get_average(0.9)
    for n in range(1, 40):
        update(averages, [torch.tensor([1.0])], torch.tensor(n))
    assert averages[0] == pytest.approx(1.0, abs=0.1)
    update(averages, [torch.tensor([2.0])], torch.tensor(1000))
    assert averages[0] == pytest.approx(1.1, abs=0.1)


@pytest.mark.parametrize("method", ["tcd", "lcm"])
def test_timesteps_are_on_the_ddim_solvers_grid(method):
    t, t_next, s = draw_timesteps(method, 100_000)
    assert sorted(set(t.tolist())) == list(range(19, 1000, 20))
    assert torch.equal(t_next, (t - 20).clamp(min=0))
    assert (s <= t_next).all()
    assert set(s.tolist()) == ({0} if method == "lcm" else {0, *range(19, 980, 20)})
    if method == "tcd":  # m is uniform from 0 to n
        share = (s[t == 99] == 0).float().mean()
        assert share == pytest.approx(1 / 5, abs=0.03)


def test_a_jump_equals_a_ddim_step():
    scheduler = DDIMScheduler(**BETAS, clip_sample=False, set_alpha_to_one=False)
    scheduler.set_timesteps(50)
    x, epsilon = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    jump = Jump(ALPHAS_CUMPROD)
    for t in (980, 500, 20):  # diffusers' grid, one timestep lower than the solver's
        theirs = scheduler.step(epsilon, t, x).prev_sample
        torch.testing.assert_close(jump(x, epsilon, torch.tensor([t]), torch.tensor([t - 20])), theirs)


def test_a_jump_to_its_own_timestep_changes_nothing():
    x, epsilon = torch.randn(2, 2, 4, 8, 8)
    t = torch.tensor([700, 19])
    torch.testing.assert_close(Jump(ALPHAS_CUMPROD)(x, epsilon, t, t), x)


class Exact(nn.Module):
    """Predicts the noise of data that consist of one point. Trajectories are straight, so any two jumps agree."""

    def __init__(self, point):
        super().__init__()
        self.point = point

    def forward(self, x, t, text):
        alpha = ALPHAS_CUMPROD[t][:, None, None, None]
        return (x - alpha.sqrt() * self.point) / (1 - alpha).sqrt()

    def texts(self, tokens):
        return tokens[:, None].float()


@pytest.mark.parametrize("method", ["tcd", "lcm"])
def test_the_loss_is_zero_only_for_a_consistent_model(method):
    torch.manual_seed(0)
    point = torch.randn(4, 16, 16)
    data = {"latents": point.expand(8, 4, 16, 16).half().float(), "tokens": torch.zeros(8, 77)}
    exact, other = Exact(data["latents"][0]), Exact(data["latents"][0] + 0.1)
    jump = Jump(ALPHAS_CUMPROD)
    assert get_loss(method, exact, exact, exact, data, jump) < 1e-4
    assert get_loss(method, exact, other, exact, data, jump) > 1e-3


def test_guidance_is_distilled_in(monkeypatch):
    """The target starts from a step of the guided teacher, so the guidance scale changes where it starts."""

    class GuidedDenoiser(Exact):
        def forward(self, x, t, text):
            epsilon = super().forward(x, t, text)
            return epsilon + text.mean((1, 2))[:, None, None, None]

    starts = []

    def target(x, t, text):
        starts.append(x)
        return torch.zeros_like(x)

    point = torch.zeros(4, 16, 16)
    data = {"latents": point.expand(8, 4, 16, 16), "tokens": torch.ones(8, 77)}
    for low, high in ((1.0, 1.0), (5.0, 5.0)):
        monkeypatch.setattr("tcd_sampler.lab.training.distillation.GUIDANCE", (low, high))
        torch.manual_seed(0)
        get_loss(
            "tcd", GuidedDenoiser(point), lambda x, t, text: torch.zeros_like(x), target, data, Jump(ALPHAS_CUMPROD)
        )
    assert (starts[0] - starts[1]).abs().mean() > 0.01


def test_normalized_latents_decode_to_the_same_images():
    torch.manual_seed(0)
    vae = vae_training.build_vae()
    images = vae_training.draw_batch(0, 1)
    before = vae.decode(vae.encode(images).latent_dist.mean).sample
    vae_training.normalize(vae, images)
    latents = vae.encode(images).latent_dist.mean
    assert (latents.mean((0, 2, 3)) * 0.13025).abs().max() < 1e-3
    assert (latents.std((0, 2, 3)) * 0.13025 - 1).abs().max() < 1e-3
    torch.testing.assert_close(vae.decode(latents).sample, before, atol=1e-3, rtol=1e-3)


def test_training_again_changes_nothing(trained, tmp_path):
    train(trained.plan, trained.folder, tmp_path)
    for path in trained.output.rglob("*.safetensors"):
        before, after = load_file(path), load_file(tmp_path / path.name)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before), path.name


def test_the_logs_hold_a_row_of_finite_figures(trained):
    logs = sorted(trained.folder.glob("*.csv"))
    assert [path.stem for path in logs] == ["classifier", "lcm", "tcd", "unet", "vae"]
    for path in logs:
        [row] = read_log(path)
        assert row["step"] == "1"
        assert math.isfinite(float(row["loss"]))
