"""The command train: trains the miniature, its LoRAs and the classifier, in about four and a half hours on two cores.

It can be stopped at any time, and continues when it is started again. FOLDER has the state and the log of each run, DIR
the trained files. torch.compile needs a C++ compiler.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import transformers

from ..miniature import CHECKPOINT, CLASSIFIER, CLIP, FILES, LORAS
from ..miniature.vocabulary import write_vocabulary
from .classifier import train_classifier
from .distillation import RANK, distill
from .export import export_checkpoint, export_classifier, export_lora
from .latents import load_latents
from .unet import train_unet
from .vae import draw_batch, normalize, train_vae

NORMALIZED = 64
"""The number of images on which the scale of the latents is measured."""

TITLES = {"tcd": "Miniature TCD-LoRA", "lcm": "Miniature LCM-LoRA"}


@dataclass(frozen=True)
class Plan:
    """The number of steps of each run, and of the UNet's training scenes."""

    vae: int = 4500
    scenes: int = 32_768
    unet: int = 6000
    tcd: int = 2500
    lcm: int = 2500
    classifier: int = 1500
    compiles: bool = True


SMOKE = Plan(vae=2, scenes=64, unet=2, tcd=2, lcm=2, classifier=2, compiles=False)


def train(plan: Plan, folder: Path, output: Path) -> None:
    """Runs everything that the folder does not contain yet, and writes the trained files."""
    clip = output / CLIP.name
    write_vocabulary(clip)
    tokenizer = transformers.CLIPTokenizer.from_pretrained(clip)
    vae = train_vae(folder, plan.vae, plan.compiles)
    normalize(vae, draw_batch(0, min(NORMALIZED, plan.scenes)))
    data = load_latents(folder / "latents.safetensors", vae, tokenizer, plan.scenes)
    text_to_image = train_unet(folder, plan.unet, tokenizer, data)
    export_checkpoint(output / CHECKPOINT.name, text_to_image, vae)
    for method, steps in (("tcd", plan.tcd), ("lcm", plan.lcm)):
        unet = distill(method, folder, steps, text_to_image, data)
        export_lora(output / LORAS[method].name, unet, TITLES[method], RANK)
    export_classifier(output / CLASSIFIER.name, train_classifier(folder, plan.classifier))


def run(args: argparse.Namespace) -> int:
    train(SMOKE if args.smoke else Plan(), args.folder, args.output or FILES)
    return 0
