"""A tiny latent diffusion model in SDXL's layout, with a TCD LoRA and an LCM LoRA."""

from pathlib import Path

FILES = Path(__file__).parent / "files"
CHECKPOINT = FILES / "miniature.safetensors"
LORAS = {"tcd": FILES / "miniature-tcd-lora.safetensors", "lcm": FILES / "miniature-lcm-lora.safetensors"}
CLASSIFIER = FILES / "classifier.safetensors"
"""See tcd_sampler.lab.evaluation.classifier."""

CLIP = FILES / "clip"
"""The folder of the tokenizer."""
