"""Warnings about settings of a job that are likely wrong."""

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from . import messages
from .loras.catalogue import CATALOGUE, NAME, Identity, RecommendedSettings
from .loras.header import DIFFUSERS, PEFT, PROCESSORS, LoRA
from .messages import Message
from .presets import BUILT_IN

DISTILLED = "tcd, lcm, turbo, lightning, dmd, hyper-sd, hyper-sdxl, hyper-4step, hyper-8step, distilled"
"""Words in the names of distilled checkpoints: the setting's default."""

FEW_STEPS = 8
"""Up to this number of steps, a schedule other than TCD's changes the image visibly."""

HIGHEST_CFG_SCALE = 2
"""The highest CFG scale for a guidance-distilled LoRA."""

HIGHEST_STRENGTH = 0.999
"""The WebUIs' upper limit of the denoising strength when they count img2img's steps."""


@dataclass(frozen=True)
class ActiveLoRA:
    """A LoRA in a job's prompt.

    file is the header of its file, or None if the file is missing or unreadable. is_ambiguous: the name is an alias of
    several files. fault is the template of the message that says why no WebUI can load the file.
    """

    name: str
    weight: float
    file: LoRA | None = None
    identity: Identity | None = None
    is_missing: bool = False
    is_ambiguous: bool = False
    fault: str | None = None

    @property
    def recommended(self) -> RecommendedSettings | None:
        return self.identity.recommended if self.identity else None


@dataclass(frozen=True)
class Job:
    """A job that uses TCD.

    find_tag returns the prompt tag of an installed TCD LoRA for the checkpoint, or None. unsupported_formats are the
    LoRA formats that the WebUI cannot load completely. unreadable has messages about tags and settings that the WebUI
    cannot parse; if there are any, it applies no LoRA at all.
    """

    steps: int
    cfg_scale: float
    schedule: str
    checkpoint: str
    family: str | None
    is_distilled: bool
    loras: list[ActiveLoRA]
    gamma: float = 0.3
    find_tag: Callable[[], str | None] = lambda: None
    strength: float | None = None
    fixes_steps: bool = False
    unsupported_formats: Collection[str] = (PEFT, DIFFUSERS, PROCESSORS)
    unreadable: Collection[Message] = ()

    @property
    def active(self) -> list[ActiveLoRA]:
        """The LoRAs that have an effect: installed, loadable, and with a weight other than 0."""
        return [lora for lora in self.loras if lora.weight != 0 and not lora.is_missing and lora.fault is None]


def find_warnings(job: Job) -> list[Message]:
    """Returns the warnings for a job."""
    return [*find_missing_loras(job), *find_wrong_loras(job), *find_wrong_settings(job)]


def find_missing_loras(job: Job) -> Iterator[Message]:
    """Yields warnings about unreadable tags, and about LoRAs that are missing or cannot be loaded."""
    yield from job.unreadable
    for lora in job.loras:
        if lora.fault is not None:
            yield Message(lora.fault, {"lora": lora.name})
        elif lora.is_missing:
            yield Message(messages.AMBIGUOUS if lora.is_ambiguous else messages.UNKNOWN, {"lora": lora.name})
    if job.unreadable or job.is_distilled or any(may_be_for_tcd(lora, job.gamma) for lora in job.active):
        return
    published = CATALOGUE.find("TCD", job.family)
    checkpoint = {"checkpoint": job.checkpoint}
    tag = job.find_tag()
    if tag:
        yield Message(messages.ADD_LORA, {**checkpoint, "tag": tag})
    elif published:
        preset = next(preset for preset in BUILT_IN if preset.lora == "TCD")
        yield Message(messages.DOWNLOAD_LORA, {**checkpoint, "lora": published.name, "preset": Message(preset.name)})
    else:
        yield Message(messages.NO_LORA, checkpoint)


def may_be_for_tcd(lora: ActiveLoRA, gamma: float) -> bool:
    """Whether a LoRA works with TCD, or might: its file is unreadable or an unidentified distillation."""
    if lora.recommended:
        return lora.recommended.is_for_tcd or matches_lcm(lora.recommended, gamma)
    return lora.file is None or lora.file.looks_distilled


def find_wrong_loras(job: Job) -> Iterator[Message]:
    """Yields warnings about LoRAs for another base model, format or sampler."""
    for lora in job.active:
        if lora.file and None not in (lora.file.family, job.family) and lora.file.family != job.family:
            yield Message(
                messages.FAMILY, {"lora": lora.name, "family": lora.file.family, "checkpoint_family": job.family}
            )
        elif lora.file and lora.file.format in job.unsupported_formats:
            yield Message(messages.UNSUPPORTED_FORMAT, {"lora": lora.name, "format": lora.file.format})
        if (
            lora.identity
            and lora.recommended
            and not lora.recommended.is_for_tcd
            and not matches_lcm(lora.recommended, job.gamma)
        ):
            template = messages.OTHER_LORA_BY_NAME if lora.identity.by == NAME else messages.OTHER_LORA
            yield Message(template, {"lora": lora.name, **describe(lora.recommended)})


def matches_lcm(recommended: RecommendedSettings, gamma: float) -> bool:
    """Whether an LCM LoRA is used with gamma 1, where TCD samples as LCM does."""
    return recommended.method == "LCM" and gamma == 1


def describe(recommended: RecommendedSettings) -> dict[str, str]:
    """Returns the recommended settings as values for a message."""
    sampler = f"{recommended.sampler} ({recommended.schedule})" if recommended.schedule else recommended.sampler
    ranges = {"steps": describe_range(recommended.steps), "cfg_scale": describe_range(recommended.cfg_scale)}
    return {"method": recommended.method, "sampler": sampler, **ranges}


def describe_range(limits: tuple[float, float]) -> str:
    """Returns a range as text, such as "4-8", or "1" if both limits are equal."""
    low, high = limits
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"


def find_wrong_settings(job: Job) -> Iterator[Message]:
    """Yields warnings about the CFG scale, the schedule and the number of steps."""
    if job.cfg_scale > HIGHEST_CFG_SCALE:
        for lora in job.active:
            if lora.recommended and lora.recommended.is_for_tcd and lora.recommended.cfg_scale[1] <= HIGHEST_CFG_SCALE:
                allowed = describe_range(lora.recommended.cfg_scale)
                yield Message(
                    messages.CFG_SCALE, {"cfg_scale": f"{job.cfg_scale:g}", "lora": lora.name, "allowed": allowed}
                )
                break
    if job.steps <= FEW_STEPS and job.schedule not in ("Automatic", "TCD"):
        yield Message(messages.SCHEDULE, {"steps": job.steps, "schedule": job.schedule})
    if job.strength is not None and not job.fixes_steps:
        run = count_steps(job.steps, job.strength)
        if run < job.steps:
            more = math.ceil((job.steps - 1) / max(min(job.strength, HIGHEST_STRENGTH), 0.001))
            more += count_steps(more, job.strength) < job.steps  # one more if the quotient was rounded down
            yield Message(
                messages.STEPS, {"strength": f"{job.strength:g}", "run": run, "steps": job.steps, "more": more}
            )


def count_steps(steps: int, strength: float) -> int:
    """Returns the number of steps that img2img runs at this denoising strength."""
    return int(min(strength, HIGHEST_STRENGTH) * steps) + 1
