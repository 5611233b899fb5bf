"""A tiny latent diffusion model of SDXL's layout, with a TCD-LoRA and an LCM-LoRA for it."""

from pathlib import Path

FILES = Path(__file__).parent / "files"
CHECKPOINT = FILES / "miniature.safetensors"
LORAS = {"tcd": FILES / "miniature-tcd-lora.safetensors", "lcm": FILES / "miniature-lcm-lora.safetensors"}
CLASSIFIER = FILES / "classifier.safetensors"
"""Tells what an image of the miniature shows; see tcd_sampler.lab.evaluation.classifier."""

CLIP = FILES / "clip"
"""The tokenizer, and the text encoders' configuration."""
