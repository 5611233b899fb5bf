"""Builds tiny SDXL checkpoints from a WebUI's own model classes.

Runs under the WebUI's interpreter with the WebUI's folder as working directory:

    venv/bin/python .../tests/webui/checkpoint_sdxl.py OUTPUT_DIR [NAME ...]

Each NAME of VARIANTS (all of them by default) becomes NAME.safetensors and NAME.yaml, which is how A1111 pairs a
checkpoint with its configuration. The text encoders read their vocabulary from OUTPUT_DIR/../clip, so both folders must
stay where they were built.

The weights are random except for the last convolutions of the UNet and of the VAE's two halves, which are fitted by
least squares. That is enough for a model that really denoises: latents and images keep a sensible range at any
number of steps, and the result depends on seed, prompt, size and initial image.
"""

import argparse
import json
import math
import random
import sys
import types
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

SCALE_FACTOR = 0.13025
TEXT_WIDTH = 16
SIZE_WIDTH = 16
UNET_WIDTH = 32
VAE_WIDTH = 32
GAINS = {
    # residual branches are weaker than the input that they are added to, so that the input is not lost
    (".out_layers.3", ".proj_out", ".conv2"): 0.5,
    # cross-attention is sharp enough to pick out words, so that each word makes a difference
    (".attn2.to_q", ".attn2.to_k"): 2.0,
}
# A1111 divides by the mean of an emphasized prompt's encoding; near zero, the result would be NaN or arbitrary
MEAN = 0.5


@dataclass(frozen=True)
class Variant:
    """What distinguishes one checkpoint from the others."""

    prediction: str = "epsilon"
    channels: int = 4
    seed: int = 0


VARIANTS = {
    "tiny-sdxl": Variant(),
    "tiny-sdxl-inpaint": Variant(channels=9),
    "tiny-sdxl-v": Variant(prediction="v"),
    "tiny-sdxl-refiner": Variant(seed=1),
}


def import_sgm():
    """Makes the WebUI's copy of Stability's generative-models importable, and imports it."""
    # the WebUI stubs these two as well: they are training code that is not installed
    for name, attribute in (("taming.modules.losses.lpips", "LPIPS"), ("sgm.data", "StableDataModuleFromConfig")):
        module = types.ModuleType(name)
        setattr(module, attribute, None)
        sys.modules[name] = module
    sys.modules["xformers"] = None
    sys.path.insert(0, str(Path.cwd() / "repositories" / "generative-models"))
    import sgm.models.diffusion

    return sgm


def write_text_config(folder):
    """Writes the tokenizer and text encoder configuration that CLIPTokenizer and CLIPTextModel load."""
    from open_clip.tokenizer import SimpleTokenizer
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig

    source = SimpleTokenizer()
    start, end = "<|startoftext|>", "<|endoftext|>"
    # open_clip only spells the two special tokens differently
    vocabulary = {{"<start_of_text>": start, "<end_of_text>": end}.get(k, k): v for k, v in source.encoder.items()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    merges = ["#version: 0.2", *(" ".join(pair) for pair in source.bpe_ranks)]
    (folder / "merges.txt").write_text("\n".join(merges) + "\n", encoding="utf-8")
    # the AMD fork loads these weights before the checkpoint's; their values do not matter
    save_file({"none": torch.zeros(1)}, folder / "model.safetensors", {"format": "pt"})
    CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=1,
        bos_token_id=vocabulary[start],
        eos_token_id=vocabulary[end],
        pad_token_id=vocabulary[end],
    ).save_pretrained(folder)


def model_config(variant, text_folder):
    """Returns SDXL's configuration with smaller widths. Block numbers and key names stay SDXL's."""
    sgm = "sgm.modules.diffusionmodules"
    scaling = {"epsilon": "EpsScaling", "v": "VScaling"}[variant.prediction]

    def text(**params):
        target = "sgm.modules.encoders.modules.FrozenCLIPEmbedder"
        params = {"version": str(text_folder), "device": "cpu", **params}
        return {"is_trainable": False, "input_key": "txt", "target": target, "params": params}

    def size(key):
        target = "sgm.modules.encoders.modules.ConcatTimestepEmbedderND"
        return {"is_trainable": False, "input_key": key, "target": target, "params": {"outdim": SIZE_WIDTH}}

    sizes = ["original_size_as_tuple", "crop_coords_top_left", "target_size_as_tuple"]
    embedders = [text(layer="hidden", layer_idx=1), text(layer="last"), *map(size, sizes)]
    return {
        "target": "sgm.models.diffusion.DiffusionEngine",
        "params": {
            "scale_factor": SCALE_FACTOR,
            "disable_first_stage_autocast": True,
            "denoiser_config": {
                "target": f"{sgm}.denoiser.DiscreteDenoiser",
                "params": {
                    "num_idx": 1000,
                    "weighting_config": {"target": f"{sgm}.denoiser_weighting.EpsWeighting"},
                    "scaling_config": {"target": f"{sgm}.denoiser_scaling.{scaling}"},
                    "discretization_config": {"target": f"{sgm}.discretizer.LegacyDDPMDiscretization"},
                },
            },
            "network_config": {
                "target": f"{sgm}.openaimodel.UNetModel",
                "params": {
                    "adm_in_channels": 2 * SIZE_WIDTH * len(sizes),
                    "num_classes": "sequential",
                    "use_checkpoint": False,
                    "in_channels": variant.channels,
                    "out_channels": 4,
                    "model_channels": UNET_WIDTH,
                    "attention_resolutions": [4, 2],
                    "num_res_blocks": 2,
                    "channel_mult": [1, 2, 2],
                    "num_head_channels": 32,
                    "use_spatial_transformer": True,
                    "use_linear_in_transformer": True,
                    "transformer_depth": [1, 1, 1],
                    "context_dim": 2 * TEXT_WIDTH,
                    "spatial_transformer_attn_type": "softmax",
                    "legacy": False,
                },
            },
            "conditioner_config": {"target": "sgm.modules.GeneralConditioner", "params": {"emb_models": embedders}},
            "first_stage_config": {
                "target": "sgm.models.autoencoder.AutoencoderKLInferenceWrapper",
                "params": {
                    "embed_dim": 4,
                    "monitor": "val/rec_loss",
                    "ddconfig": {
                        "attn_type": "vanilla",
                        "double_z": True,
                        "z_channels": 4,
                        "resolution": 256,
                        "in_channels": 3,
                        "out_ch": 3,
                        "ch": VAE_WIDTH,
                        "ch_mult": [1, 1, 1, 1],
                        "num_res_blocks": 1,
                        "attn_resolutions": [],
                        "dropout": 0.0,
                    },
                    "lossconfig": {"target": "torch.nn.Identity"},
                },
            },
        },
    }


def instantiate(config):
    """Creates the model of a configuration. Its text encoders load no weights."""
    from omegaconf import OmegaConf
    from sgm.util import instantiate_from_config
    from transformers import CLIPTextConfig, CLIPTextModel

    def from_config(cls, path):
        return cls(CLIPTextConfig.from_pretrained(path))

    original = CLIPTextModel.__dict__.get("from_pretrained")
    CLIPTextModel.from_pretrained = classmethod(from_config)
    try:
        with redirect_stdout(None):  # sgm prints every block
            return instantiate_from_config(OmegaConf.create(config)).eval().requires_grad_(False)
    finally:
        if original is None:
            del CLIPTextModel.from_pretrained
        else:
            CLIPTextModel.from_pretrained = original


def randomize(part):
    """Gives every layer an output of its input's size, including layers that sgm initializes with zeros."""
    for name, module in part.named_modules():
        if isinstance(module, torch.nn.Embedding):
            module.weight.normal_(mean=MEAN)
        elif isinstance(module, torch.nn.LayerNorm):
            module.bias.fill_(MEAN)
        elif isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
            gain = next((gain for ends, gain in GAINS.items() if name.endswith(ends)), 1.0)
            module.weight.normal_(std=gain / math.sqrt(module.weight[0].numel()))
            if module.bias is not None:
                module.bias.zero_()


def fit(conv, run, target, ridge=1e-5):
    """Sets a model's last convolution so that run() comes as close to the target as possible."""
    inputs = []
    hook = conv.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    run()
    hook.remove()
    size = conv.kernel_size[0]
    columns = functional.unfold(inputs[0], size, padding=size // 2).transpose(1, 2).flatten(0, 1).double()
    columns = torch.cat([columns, torch.ones(len(columns), 1)], 1)
    target = target.flatten(2).transpose(1, 2).flatten(0, 1).double()
    normal = columns.T @ columns
    normal += ridge * normal.diagonal().mean() * torch.eye(len(normal))
    solution = torch.linalg.solve(normal, columns.T @ target).float()
    conv.weight.copy_(solution[:-1].T.reshape(conv.weight.shape))
    conv.bias.copy_(solution[-1])


def smooth(count, channels, size, deviation):
    """Returns random images with more coarse structure than fine."""
    layers = [torch.randn(count, channels, k, k) / math.sqrt(k) for k in (2, 4, 8, size)]
    total = sum(functional.interpolate(layer, size=(size, size), mode="bicubic") for layer in layers)
    return total * (deviation / total.std())


def fit_vae(model):
    """Fits the encoder to give the image's colors at an eighth of its size, and the decoder to invert that."""
    vae = model.first_stage_model
    for conv in (vae.quant_conv, vae.post_quant_conv):
        conv.weight.copy_(torch.eye(len(conv.weight))[:, :, None, None])
    images = smooth(8, 3, 64, deviation=0.5).clamp(-1, 1)
    mix = torch.linalg.qr(torch.randn(4, 3)).Q
    latents = torch.einsum("oc,nchw->nohw", 2 * mix, functional.avg_pool2d(images, 8)) / model.scale_factor
    # the lowest log variance that sgm allows, so that encoding adds no visible noise
    fit(vae.encoder.conv_out, lambda: vae.encoder(images), torch.cat([latents, torch.full_like(latents, -30)], 1))
    latents = model.encode_first_stage(images)
    fit(vae.decoder.conv_out, lambda: model.decode_first_stage(latents), images)


def conditioning(model, prompts, size):
    """Returns what the WebUI passes to the UNet for these prompts."""
    sizes = torch.full((len(prompts), 2), float(size))
    keys = {"original_size_as_tuple": sizes, "crop_coords_top_left": 0 * sizes, "target_size_as_tuple": sizes}
    return model.conditioner({"txt": prompts, **keys})


def fit_unet(model, variant, count=48, size=16):
    """Fits the last layer to separate noise from image, at all timesteps and for any prompt."""
    from sgm.modules.diffusionmodules.discretizer import LegacyDDPMDiscretization

    words = ["a", "the", "red", "old", "small", "cat", "dog", "house", "tree", "river", "city", "night", "with", "of"]
    prompts = [" ".join(random.Random(i).choices(words, k=i % 12)) for i in range(count)]
    timesteps = torch.linspace(0, 999, count).round()
    table = torch.tensor(LegacyDDPMDiscretization().alphas_cumprod, dtype=torch.float32)
    alpha = table[timesteps.long()].reshape(-1, 1, 1, 1)
    latents, noise = smooth(count, 4, size, deviation=0.6), torch.randn(count, 4, size, size)
    noised = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
    if variant.channels == 9:
        mask = (smooth(count, 1, size, deviation=1.0) > 0).float()
        noised = torch.cat([noised, mask, latents * (1 - mask)], 1)
    context = conditioning(model, prompts, 8 * size)
    target = {"epsilon": noise, "v": velocity}[variant.prediction]
    fit(model.model.diffusion_model.out[-1], lambda: model.model(noised, timesteps, context), target)


def build(name, folder):
    """Writes one checkpoint and its configuration."""
    from omegaconf import OmegaConf
    from safetensors.torch import save_file

    variant = VARIANTS[name]
    config = model_config(variant, folder.parent / "clip")
    model = instantiate(config)
    # one VAE for all, so that a refiner can continue with another checkpoint's latents
    torch.manual_seed(0)
    randomize(model.first_stage_model)
    fit_vae(model)
    torch.manual_seed(variant.seed)
    randomize(model.conditioner)
    randomize(model.model)
    fit_unet(model, variant)
    prefixes = ("model.", "first_stage_model.", "conditioner.")
    weights = {k: v for k, v in model.state_dict().items() if k.startswith(prefixes)}
    halves = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in weights.items()}
    save_file(halves, folder / f"{name}.safetensors")
    OmegaConf.save(OmegaConf.create({"model": config}), folder / f"{name}.yaml")


def main():
    parser = argparse.ArgumentParser(description="Build tiny SDXL checkpoints.")
    parser.add_argument("folder", type=Path, metavar="OUTPUT_DIR")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(VARIANTS)}")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(VARIANTS))
    if unknown:
        parser.error(f"no such checkpoint: {', '.join(unknown)}")
    folder = args.folder.resolve()
    import_sgm()
    write_text_config(folder.parent / "clip")
    for name in args.names or VARIANTS:
        build(name, folder)


if __name__ == "__main__":
    main()
