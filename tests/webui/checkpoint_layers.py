"""Names and shapes of the weights in Stable Diffusion's checkpoints, and random weights that let images through.

Every block adds a little to its input, and the UNet's last layer returns its input, scaled to unit variance. This is a
fair prediction of the noise, so latents and images keep a sensible range at any number of steps. The result depends on
seed, prompt, size and initial image.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

TEXT_WIDTH, TEXT_LAYERS, VOCABULARY, TOKENS = 768, 12, 49408, 77
UNET_WIDTH, TIME_WIDTH = 320, 1280
VAE_WIDTHS = [128, 256, 512, 512]
SIGNALS = 4
"""Channels of latents. Images have one less."""

MEAN = 0.5
"""Mean of a prompt's encoding. WebUIs divide by it to emphasize words; near 0 the result would be arbitrary."""

BRANCH = 0.3
"""Size of what a block adds to its input."""

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def layer(name: str, *shape: int) -> Shapes:
    """Yields the weight and bias of a linear layer or a convolution, or of a norm if there is only one size."""
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def text_encoder(model: str) -> Shapes:
    """Yields the weights of CLIP-L, with SD 1.5's or SDXL's prefix."""
    yield f"{model}.embeddings.token_embedding.weight", (VOCABULARY, TEXT_WIDTH)
    yield f"{model}.embeddings.position_embedding.weight", (TOKENS, TEXT_WIDTH)
    yield f"{model}.embeddings.position_ids", (1, TOKENS)
    for i in range(TEXT_LAYERS):
        block = f"{model}.encoder.layers.{i}"
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from layer(f"{block}.self_attn.{projection}", TEXT_WIDTH, TEXT_WIDTH)
        yield from layer(f"{block}.mlp.fc1", 4 * TEXT_WIDTH, TEXT_WIDTH)
        yield from layer(f"{block}.mlp.fc2", TEXT_WIDTH, 4 * TEXT_WIDTH)
        yield from layer(f"{block}.layer_norm1", TEXT_WIDTH)
        yield from layer(f"{block}.layer_norm2", TEXT_WIDTH)
    yield from layer(f"{model}.final_layer_norm", TEXT_WIDTH)


@dataclass(frozen=True)
class Unet:
    """A UNet in the layout of SD 1.5 or SDXL."""

    widths: tuple[int, ...]
    """Width of each level."""

    depths: tuple[int, ...]
    """Number of transformer blocks in each level's attentions."""

    middle_depth: int
    text_width: int = TEXT_WIDTH
    size_width: int = 0
    """Width of the size conditioning, or 0 if there is none."""

    projects_by_convolution: bool = False

    @property
    def time_width(self) -> int:
        return 4 * self.widths[0]

    @property
    def skipped_widths(self) -> list[int]:
        """The widths of the skip connections, from the first to the last."""
        levels = [width for width in self.widths for _ in range(3)]  # two blocks, and one that halves the size
        return [self.widths[0], *levels[:-1]]

    def shapes(self, channels: int) -> Shapes:
        model = "model.diffusion_model"
        yield from self.encoder(model, channels)
        before, skipped = self.widths[-1], self.skipped_widths
        for i in range(3 * len(self.widths)):
            level = len(self.widths) - 1 - i // 3
            width, depth = self.widths[level], self.depths[level]
            yield from self.block(f"{model}.output_blocks.{i}", before + skipped.pop(), width, depth)
            if level > 0 and i % 3 == 2:
                yield from layer(f"{model}.output_blocks.{i}.{2 if depth else 1}.conv", width, width, 3, 3)
            before = width
        yield from layer(f"{model}.out.0", before)
        yield from layer(f"{model}.out.2", 4, before, 3, 3)

    def encoder(self, model: str, channels: int) -> Shapes:
        """Yields the half that UNets and ControlNets have in common."""
        yield from layer(f"{model}.time_embed.0", self.time_width, self.widths[0])
        yield from layer(f"{model}.time_embed.2", self.time_width, self.time_width)
        if self.size_width:
            yield from layer(f"{model}.label_emb.0.0", self.time_width, self.size_width)
            yield from layer(f"{model}.label_emb.0.2", self.time_width, self.time_width)
        yield from layer(f"{model}.input_blocks.0.0", self.widths[0], channels, 3, 3)
        blocks, before = itertools.count(1), self.widths[0]
        for level, (width, depth) in enumerate(zip(self.widths, self.depths)):
            for _ in range(2):
                yield from self.block(f"{model}.input_blocks.{next(blocks)}", before, width, depth)
                before = width
            if level < len(self.widths) - 1:
                yield from layer(f"{model}.input_blocks.{next(blocks)}.0.op", width, width, 3, 3)
        yield from self.block(f"{model}.middle_block", before, before, self.middle_depth)
        yield from unet_resblock(f"{model}.middle_block.2", before, before, self.time_width)

    def block(self, name: str, width_in: int, width: int, depth: int) -> Shapes:
        yield from unet_resblock(f"{name}.0", width_in, width, self.time_width)
        if depth:
            yield from transformer(f"{name}.1", width, self.text_width, depth, self.projects_by_convolution)


def unet_resblock(name: str, width_in: int, width: int, time_width: int) -> Shapes:
    yield from layer(f"{name}.in_layers.0", width_in)
    yield from layer(f"{name}.in_layers.2", width, width_in, 3, 3)
    yield from layer(f"{name}.emb_layers.1", width, time_width)
    yield from layer(f"{name}.out_layers.0", width)
    yield from layer(f"{name}.out_layers.3", width, width, 3, 3)
    if width_in != width:
        yield from layer(f"{name}.skip_connection", width, width_in, 1, 1)


def transformer(name: str, width: int, text_width: int, depth: int, by_convolution: bool) -> Shapes:
    """Yields the weights of an attention. Its projections are convolutions in SD 1.5 and linear in SDXL."""
    projection = (width, width, 1, 1) if by_convolution else (width, width)
    yield from layer(f"{name}.norm", width)
    yield from layer(f"{name}.proj_in", *projection)
    for i in range(depth):
        block = f"{name}.transformer_blocks.{i}"
        for attention, context in (("attn1", width), ("attn2", text_width)):
            yield f"{block}.{attention}.to_q.weight", (width, width)
            yield f"{block}.{attention}.to_k.weight", (width, context)
            yield f"{block}.{attention}.to_v.weight", (width, context)
            yield from layer(f"{block}.{attention}.to_out.0", width, width)
        yield from layer(f"{block}.ff.net.0.proj", 8 * width, width)
        yield from layer(f"{block}.ff.net.2", width, 4 * width)
        for norm in (1, 2, 3):
            yield from layer(f"{block}.norm{norm}", width)
    yield from layer(f"{name}.proj_out", *projection)


def vae_resblock(name: str, width_in: int, width: int) -> Shapes:
    yield from layer(f"{name}.norm1", width_in)
    yield from layer(f"{name}.conv1", width, width_in, 3, 3)
    yield from layer(f"{name}.norm2", width)
    yield from layer(f"{name}.conv2", width, width, 3, 3)
    if width_in != width:
        yield from layer(f"{name}.nin_shortcut", width, width_in, 1, 1)


def vae_middle(name: str, width: int) -> Shapes:
    yield from vae_resblock(f"{name}.block_1", width, width)
    yield from layer(f"{name}.attn_1.norm", width)
    for projection in ("q", "k", "v", "proj_out"):
        yield from layer(f"{name}.attn_1.{projection}", width, width, 1, 1)
    yield from vae_resblock(f"{name}.block_2", width, width)


def vae() -> Shapes:
    model, top = "first_stage_model", len(VAE_WIDTHS) - 1
    yield from layer(f"{model}.encoder.conv_in", VAE_WIDTHS[0], 3, 3, 3)
    before = VAE_WIDTHS[0]
    for level, width in enumerate(VAE_WIDTHS):
        for i in (0, 1):
            yield from vae_resblock(f"{model}.encoder.down.{level}.block.{i}", before, width)
            before = width
        if level < top:
            yield from layer(f"{model}.encoder.down.{level}.downsample.conv", width, width, 3, 3)
    yield from vae_middle(f"{model}.encoder.mid", before)
    yield from layer(f"{model}.encoder.norm_out", before)
    yield from layer(f"{model}.encoder.conv_out", 8, before, 3, 3)
    yield from layer(f"{model}.quant_conv", 8, 8, 1, 1)
    yield from layer(f"{model}.post_quant_conv", 4, 4, 1, 1)
    yield from layer(f"{model}.decoder.conv_in", before, 4, 3, 3)
    yield from vae_middle(f"{model}.decoder.mid", before)
    for level, width in reversed(list(enumerate(VAE_WIDTHS))):
        for i in (0, 1, 2):
            yield from vae_resblock(f"{model}.decoder.up.{level}.block.{i}", before, width)
            before = width
        if level > 0:
            yield from layer(f"{model}.decoder.up.{level}.upsample.conv", width, width, 3, 3)
    yield from layer(f"{model}.decoder.norm_out", before)
    yield from layer(f"{model}.decoder.conv_out", 3, before, 3, 3)


# Channels come in pairs of a signal and its negative. Because silu(z) - silu(-z) = z, a GATHERING convolution after the
# last norm's activation restores what a SPREADING one has spread.
SPREADING = (".input_blocks.0.0.weight", ".conv_in.weight")
GATHERING = (".out.2.weight", ".conv_out.weight")
PASSING = ("skip_connection.weight", "nin_shortcut.weight", "sample.conv.weight", "quant_conv.weight")
BRANCHING = (".out_layers.3.weight", ".proj_out.weight", ".conv2.weight")
SHARP = (".attn2.to_q.weight", ".attn2.to_k.weight")
"""Cross-attention, which must pick out words."""


def make_weight(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Returns a weight of a layer such that the network lets images through."""
    if len(shape) == 1:
        return make_vector(name, shape)
    if name.endswith("position_ids"):
        return torch.arange(shape[1])[None]
    if "embedding" in name:
        return torch.randn(shape) * 0.5 + MEAN
    random = torch.randn(shape) / math.sqrt(math.prod(shape[1:]))
    if name.endswith(PASSING):
        return copy(shape, [out % shape[1] for out in range(shape[0])])
    if name.endswith(SPREADING):
        return copy(shape, [out // 2 % SIGNALS % shape[1] for out in range(shape[0])], signs=(1, -1))
    if name.endswith(GATHERING):
        return gather(shape) + 0.1 * random
    gain = BRANCH if name.endswith(BRANCHING) else 2.0 if name.endswith(SHARP) else 1.0
    return gain * random


def make_deep_weight(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Returns a weight as make_weight does, for UNets of several levels: what skipped the lower levels passes."""
    if ".output_blocks." in name and name.endswith("skip_connection.weight"):
        return copy(shape, list(range(shape[1] - shape[0], shape[1])))
    return make_weight(name, shape)


def make_vector(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Returns a bias, or a norm's weight."""
    if name.endswith(("final_layer_norm.bias", "ln_final.bias")):
        return torch.full(shape, MEAN)
    return torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)


def copy(shape: tuple[int, ...], sources: list[int], signs: tuple[int, ...] = (1,)) -> torch.Tensor:
    """Returns a convolution that copies one input channel to each output channel."""
    weight = torch.zeros(shape)
    for out, source in enumerate(sources):
        weight[out, source, shape[2] // 2, shape[3] // 2] = signs[out % len(signs)]
    return weight


def gather(shape: tuple[int, ...]) -> torch.Tensor:
    """Returns a convolution that turns pairs back into signals, each the mean of its pairs."""
    weight = torch.zeros(shape)
    gain = 0.4 if shape[0] < SIGNALS else 1.0  # less than unit variance for images, which would be clipped otherwise
    for channel in range(shape[1]):
        signal = channel // 2 % SIGNALS
        if signal < shape[0]:
            sign = 1 if channel % 2 == 0 else -1
            weight[signal, channel, shape[2] // 2, shape[3] // 2] = sign * gain * 2 * SIGNALS / shape[1]
    return weight


def make_weights(
    shapes: Shapes, seed: int, make: Callable[[str, tuple[int, ...]], torch.Tensor] = make_weight
) -> dict[str, torch.Tensor]:
    """Returns random weights in half precision."""
    torch.manual_seed(seed)
    weights = {}
    for name, shape in shapes:
        weight = make(name, shape)
        weights[name] = weight.half() if weight.is_floating_point() else weight
    return weights


def write_weights(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Writes a checkpoint."""
    weights["first_stage_model.encoder.conv_out.bias"][4:] = -30.0  # of the log variance: encoding draws no noise
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path)
