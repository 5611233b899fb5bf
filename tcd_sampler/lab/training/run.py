"""A training run that can be stopped at any step and continued."""

import csv
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

SAVE_SECONDS = 120.0
LOG_STEPS = 50
CLIP_NORM = 1.0

Loss = Callable[[int], tuple[torch.Tensor, dict[str, float]]]
"""Maps the number of a step to its loss, and to other figures for the log."""


def seed_step(seed: int, step: int) -> None:
    """Seeds torch for a step, so that a continued run draws the same numbers as one that never stopped."""
    torch.manual_seed((seed << 32) + step)


def get_learning_rate(step: int, steps: int, peak: float, warmup: int) -> float:
    """Returns the learning rate: linear warmup to the peak, then a cosine decay to 0."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def get_average(decay: float) -> Any:
    """Returns an update for AveragedModel: a moving average whose decay starts low, to forget the first steps."""

    @torch.no_grad()
    def update(averages: list[torch.Tensor], values: list[torch.Tensor], count: torch.Tensor | int) -> None:
        n = int(count)
        torch._foreach_lerp_(averages, values, 1 - min(decay, (1 + n) / (10 + n)))

    return update


class Run:
    """Trains a module with AdamW, and keeps a moving average of its weights.

    folder/name.pt has the whole state, folder/name.csv the log.

    Args:
        peak: The highest learning rate.
        warmup: The number of steps until then.
        decay: The decay of the moving average.
        weight_decay: AdamW's.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        model: torch.nn.Module,
        steps: int,
        peak: float = 1e-3,
        warmup: int = 100,
        decay: float = 0.999,
        weight_decay: float = 0.01,
        seed: int = 0,
    ) -> None:
        self.name, self.model, self.steps, self.seed = name, model, steps, seed
        self.peak, self.warmup = peak, warmup
        self.path, self.log_path = folder / f"{name}.pt", folder / f"{name}.csv"
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=peak, betas=(0.9, 0.99), weight_decay=weight_decay)
        self.average = AveragedModel(model, multi_avg_fn=get_average(decay))
        self.step, self.seconds = 0, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            self.load()

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }

    def save(self) -> None:
        part = self.path.with_suffix(".part")
        torch.save(self.state(), part)
        part.replace(self.path)

    def load(self) -> None:
        state = torch.load(self.path, weights_only=True)
        for name in ("model", "average", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.seconds = state["step"], state["seconds"]

    def train(self, loss: Loss) -> None:
        """Trains until the last step. If it is stopped, at most SAVE_SECONDS are lost."""
        saved, figures = time.monotonic(), []
        while self.step < self.steps:
            began = time.monotonic()
            figures.append(self.take_step(loss))
            self.seconds += time.monotonic() - began
            if self.step % LOG_STEPS == 0 or self.step == self.steps:
                self.log(figures)
                figures = []
            if time.monotonic() - saved > SAVE_SECONDS and not figures:
                self.save()
                saved = time.monotonic()
        self.save()

    def take_step(self, loss: Loss) -> dict[str, float]:
        seed_step(self.seed, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = get_learning_rate(self.step, self.steps, self.peak, self.warmup)
        value, figures = loss(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIP_NORM)
        self.optimizer.step()
        self.average.update_parameters(self.model)
        self.step += 1
        return {"loss": float(value.detach()), **figures}

    def log(self, figures: list[dict[str, float]]) -> None:
        """Adds a line to the log: the means of these figures. Removes lines of steps that were repeated."""
        row: dict[str, object] = {"step": self.step, "seconds": round(self.seconds)}
        row |= {name: f"{sum(figure[name] for figure in figures) / len(figures):.6f}" for name in figures[0]}
        kept = [line for line in read_log(self.log_path) if int(line["step"]) < self.step]
        with self.log_path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            writer.writeheader()
            writer.writerows([*kept, row])
        print(f"{self.name}: " + ", ".join(f"{key} {value}" for key, value in row.items()), flush=True)


def read_log(path: Path) -> Iterator[dict[str, str]]:
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            yield from list(csv.DictReader(file))
