"""Distills the teacher into LoRAs: TCD's (Algorithm 1 of arXiv 2402.19159) and LCM's (arXiv 2310.04378).

Both train the jumps from the two ends of a guided DDIM step of the teacher to end at the same point. TCD draws that
point's timestep at random; LCM uses 0. The targets come from a moving average of the student.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler
from peft import LoraConfig
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...schedule import TIMESTEPS, TRAINED_STEPS
from ..miniature.architecture import BETAS, build_unet, get_size_conditioning
from ..miniature.drawing import SIZE
from ..precision import fast_precision
from .run import Run
from .unet import TextToImage

BATCH = 32
RANK = 12
GUIDANCE = (2.0, 5.0)
"""The teacher's guidance scale is drawn from this range for each image. The paper's is 2 to 14, for SDXL."""

HUBER = 0.001
DECAY = 0.95
"""The decay of the moving average that gives the targets."""

LAYERS = [
    "to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2",
    "conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj",
]  # fmt: skip
"""The layers of the published LCM and TCD LoRAs."""

Network = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Jump:
    """The deterministic jump from a timestep to an earlier one."""

    alphas_cumprod: torch.Tensor

    def __call__(self, x: torch.Tensor, epsilon: torch.Tensor, t: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        """Returns DDIM's step, which is TCD's consistency function TCF(1): x_s = alpha_s x_0 + sigma_s eps.

        x, epsilon: (batch, channels, height, width). t, s: timesteps (batch,).
        """
        alpha_t, alpha_s = (self.alphas_cumprod[i][:, None, None, None] for i in (t, s))
        denoised = (x - (1 - alpha_t).sqrt() * epsilon) / alpha_t.sqrt()
        return alpha_s.sqrt() * denoised + (1 - alpha_s).sqrt() * epsilon


def draw_timesteps(method: str, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns timesteps (count,): the teacher's step goes from the first to the second, both jumps end at the third."""
    spacing = TIMESTEPS // TRAINED_STEPS
    n = torch.randint(TRAINED_STEPS, (count,))
    m = (torch.rand(count) * (n + 1)).floor().long() if method == "tcd" else torch.zeros_like(n)
    return tuple((i * spacing - 1).clamp(min=0) for i in (n + 1, n, m))  # type: ignore[return-value]


def huber(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Returns the mean pseudo-Huber distance of two tensors."""
    return ((a - b).square() + HUBER**2).sqrt().mean() - HUBER


def get_loss(
    method: str,
    teacher: TextToImage,
    student: Network,
    target: Network,
    data: dict[str, torch.Tensor],
    jump: Jump,
) -> torch.Tensor:
    """Returns the distance between the ends of the student's jump and of the target's.

    The target's jump starts after a guided DDIM step of the teacher. data: see load_latents.
    """
    rows = torch.randint(len(data["latents"]), (BATCH,))
    latents, tokens = data["latents"][rows].float(), data["tokens"][rows].long()
    t, t_next, s = draw_timesteps(method, BATCH)
    alpha = jump.alphas_cumprod[t][:, None, None, None]
    x = alpha.sqrt() * latents + (1 - alpha).sqrt() * torch.randn_like(latents)
    low, high = GUIDANCE
    guidance = low + (high - low) * torch.rand(BATCH, 1, 1, 1)
    with torch.no_grad():
        text = teacher.texts(tokens)
        cond, uncond = teacher(torch.cat([x, x]), torch.cat([t, t]), torch.cat([text, 0 * text])).float().chunk(2)
        x_next = jump(x, uncond + guidance * (cond - uncond), t, t_next)
        expected = jump(x_next, target(x_next, t_next, text).float(), t_next, s)
    return huber(jump(x, student(x, t, text).float(), t, s), expected)


def add_lora(teacher: TextToImage) -> Any:
    """Returns a copy of the teacher's UNet with a LoRA, whose weights alone are trained."""
    unet: Any = build_unet()
    unet.load_state_dict(teacher.unet.state_dict())
    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=LAYERS))
    return unet.to(memory_format=torch.channels_last)


def distill(method: str, folder: Path, steps: int, teacher: TextToImage, data: dict[str, torch.Tensor]) -> Any:
    """Trains a LoRA and returns the teacher's UNet with its moving average. method: tcd or lcm."""
    torch.manual_seed(0)
    teacher.requires_grad_(False)
    run = Run(method, folder, add_lora(teacher), steps, decay=DECAY, weight_decay=0.0)
    jump = Jump(DDPMScheduler(**BETAS).alphas_cumprod)

    def as_network(unet: Any) -> Network:
        conditioning = get_size_conditioning(BATCH, SIZE)
        return lambda x, t, text: unet(x, t, text, added_cond_kwargs=conditioning).sample

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        with fast_precision(), sdpa_kernel(SDPBackend.MATH):
            networks = as_network(run.model), as_network(run.average.module)
            return get_loss(method, teacher, *networks, data, jump), {}

    run.train(loss)
    return run.average.module
