"""Draws scenes from distance functions and noise, without image files."""

import math
from collections.abc import Callable

import torch
from torch.nn import functional

from .scenes import Look, Scene

SIZE = 128
"""Pixels of an image's side."""

Field = torch.Tensor
"""A number for each pixel, (SIZE, SIZE)."""

RGB = {
    "red": (0.86, 0.13, 0.14),
    "orange": (0.96, 0.52, 0.08),
    "yellow": (0.98, 0.85, 0.15),
    "green": (0.15, 0.62, 0.24),
    "blue": (0.13, 0.35, 0.85),
    "purple": (0.50, 0.18, 0.68),
    "pink": (0.98, 0.55, 0.74),
    "white": (0.96, 0.96, 0.95),
}
SKY = {  # above, and at the horizon
    "day": ((0.25, 0.55, 0.93), (0.78, 0.90, 0.99)),
    "sunset": ((0.38, 0.22, 0.48), (1.00, 0.58, 0.28)),
    "night": ((0.02, 0.03, 0.12), (0.12, 0.14, 0.34)),
    "fog": ((0.66, 0.69, 0.72), (0.80, 0.82, 0.84)),
}
GROUND = {  # dark and light
    "grass": ((0.16, 0.38, 0.10), (0.47, 0.70, 0.22)),
    "sand": ((0.74, 0.58, 0.34), (0.95, 0.84, 0.60)),
    "snow": ((0.74, 0.81, 0.92), (0.98, 0.99, 1.00)),
    "water": ((0.05, 0.25, 0.45), (0.45, 0.75, 0.85)),
    "stones": ((0.22, 0.21, 0.22), (0.62, 0.60, 0.58)),
}
LIGHT = {"day": (1.0, 1.0, 1.0), "sunset": (1.0, 0.80, 0.68), "night": (0.62, 0.65, 0.84), "fog": (0.94, 0.95, 0.96)}
PLACE_X = {"left": 0.27, "middle": 0.5, "right": 0.73}
TRUNK, ROOF, CREAM = (0.40, 0.26, 0.14), (0.42, 0.20, 0.16), (0.95, 0.90, 0.78)


def draw_scene(scene: Scene, seed: int) -> torch.Tensor:
    """Returns the scene's image, (3, SIZE, SIZE), from 0 to 1. The seed decides what the caption leaves open."""
    generator = torch.Generator().manual_seed(seed)
    uniform: Callable[[float, float], float] = lambda low, high: (  # noqa: E731
        low + (high - low) * float(torch.rand((), generator=generator))
    )
    axis = (torch.arange(SIZE) + 0.5) / SIZE
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    horizon = uniform(0.52, 0.62)
    light = torch.tensor(LIGHT[scene.sky])[:, None, None]
    ground = draw_ground(scene.ground, x, y, horizon, generator)
    feet = [(place, look, uniform(-0.03, 0.03), uniform(0.80, 0.90)) for place, look in scene.things]
    radii = [uniform(0.17, 0.21) for _ in feet]
    for (place, _, dx, foot), radius in zip(feet, radii):
        shade = ((x - PLACE_X[place] - dx - 0.03) / radius) ** 2 + ((y - foot) / (0.2 * radius)) ** 2
        ground = ground * (1 - 0.45 * (1 - shade).clamp(0, 1).sqrt())
    image = blend(draw_sky(scene.sky, x, y, horizon, generator), ground * light, cover(horizon - y))
    for (place, look, dx, foot), radius in zip(feet, radii):
        center = PLACE_X[place] + dx
        image = draw_thing(image, look, (x - center) / radius, (foot - y) / radius - 1, radius, light)
    if scene.sky == "fog":
        image = blend(image, color_field(SKY["fog"][1]), 0.25 + 0.35 * (1 - y))
    return image.clamp(0, 1)


def cover(distance: Field, width: float = 1.0) -> Field:
    """Returns the covered share of each pixel. Distances are negative inside. width: the soft edge's, in pixels."""
    return (0.5 - distance * SIZE / width).clamp(0, 1)


def blend(below: torch.Tensor, above: torch.Tensor, alpha: Field | float) -> torch.Tensor:
    return below + (above - below) * alpha


def color_field(rgb: tuple[float, float, float]) -> torch.Tensor:
    return torch.tensor(rgb)[:, None, None]


def smooth_noise(rows: int, columns: int, generator: torch.Generator) -> Field:
    """Returns smooth noise from 0 to 1, interpolated between rows x columns random values."""
    cells = torch.rand(1, 1, rows, columns, generator=generator)
    return functional.interpolate(cells, size=(SIZE, SIZE), mode="bicubic", align_corners=True)[0, 0].clamp(0, 1)


def draw_sky(sky: str, x: Field, y: Field, horizon: float, generator: torch.Generator) -> torch.Tensor:
    above, below = map(color_field, SKY[sky])
    image = blend(above, below, (y / horizon).clamp(0, 1))
    if sky == "day":
        clouds = 0.65 * smooth_noise(7, 4, generator) + 0.35 * smooth_noise(16, 9, generator)
        return blend(image, color_field((1, 1, 1)), ((clouds - 0.55) * 5).clamp(0, 0.9) * (1 - y / horizon).clamp(0, 1))
    at_x, at_y = torch.rand(2, generator=generator).tolist()
    if sky == "sunset":
        distance = ((x - 0.2 - 0.6 * at_x) ** 2 + (y - horizon + 0.04) ** 2).sqrt()
        image = blend(image, color_field((1, 0.85, 0.45)), 0.7 * torch.exp(-distance / 0.12))
        return blend(image, color_field((1, 0.95, 0.70)), cover(distance - 0.09))
    if sky == "night":
        stars = torch.rand(1, 1, SIZE + 1, SIZE + 1, generator=generator)
        stars = functional.max_pool2d(stars, 2, stride=1)[0, 0]
        image = blend(image, color_field((1, 1, 0.9)), ((stars - 0.994) * 150).clamp(0, 1))
        moon_x, moon_y = x - 0.15 - 0.7 * at_x, y - 0.10 - 0.08 * at_y
        disc = cover((moon_x**2 + moon_y**2).sqrt() - 0.07)
        bite = cover(((moon_x - 0.035) ** 2 + (moon_y + 0.015) ** 2).sqrt() - 0.06)
        return blend(image, color_field((1, 0.97, 0.80)), disc * (1 - bite))
    return image


def draw_ground(ground: str, x: Field, y: Field, horizon: float, generator: torch.Generator) -> torch.Tensor:
    """Returns the ground's texture, (3, SIZE, SIZE), which is coarser near the lower edge."""
    dark, light = map(color_field, GROUND[ground])
    depth = ((y - horizon) / (1 - horizon)).clamp(0.02, 1)
    rough = smooth_noise(6, 6, generator)
    if ground == "grass":
        blades = smooth_noise(24, 64, generator)
        return blend(dark, light, (0.25 * rough + 0.75 * blades) * (0.6 + 0.4 * depth))
    if ground == "sand":
        ripples = torch.sin(2 * math.pi * (9 * depth.sqrt() + 1.2 * rough + 0.8 * x))
        return blend(dark, light, 0.55 + 0.3 * ripples * depth + 0.15 * smooth_noise(64, 64, generator))
    if ground == "snow":
        return blend(dark, light, (1.4 * smooth_noise(5, 4, generator) + 0.25 * rough).clamp(0, 1))
    if ground == "water":
        waves = torch.sin(2 * math.pi * (9 * depth.sqrt() + 0.35 * torch.sin(2 * math.pi * (1.5 * x + 2 * rough))))
        return blend(dark, light, (0.5 + 0.4 * waves) * (0.5 + 0.5 * rough))
    rows = (6 * depth.sqrt()).floor()
    along = ((x - 0.5) / (0.35 + depth.sqrt()) * 9 + 0.5 * rows) % 1
    across = (6 * depth.sqrt()) % 1
    gaps = torch.minimum(torch.minimum(along, 1 - along) * 1.5, torch.minimum(across, 1 - across))
    return blend(dark, light, (gaps * 7).clamp(0, 1) * (0.55 + 0.45 * smooth_noise(10, 10, generator)))


def draw_thing(image: torch.Tensor, look: Look, x: Field, y: Field, radius: float, light: torch.Tensor) -> torch.Tensor:
    """Draws an object over an image. x, y: pixels' positions in radii from the object's center; y points up."""
    shading = (0.84 - 0.20 * x + 0.16 * y).clamp(0.45, 1.1)
    surface = draw_surface(look, x, y)
    for distance, rgb in parts(look.shape, x, y):
        layer = (surface if rgb is None else color_field(rgb)) * shading * light
        distance = distance * radius
        image = blend(image, 0.35 * layer, cover(distance - 0.007))  # a dark outline
        image = blend(image, layer, cover(distance + 0.007))
    return image


def draw_surface(look: Look, x: Field, y: Field) -> torch.Tensor:
    """Returns the object's pattern in its two colors, (3, SIZE, SIZE)."""
    first = color_field(RGB[look.color])
    second = color_field((0.45, 0.47, 0.50)) if look.color == "white" else blend(first, color_field((1, 1, 1)), 0.85)
    soft = 18.0  # makes the edges about a pixel wide
    if look.pattern == "striped":
        return blend(first, second, (0.5 + soft / 4 * torch.sin(2 * math.pi * 1.6 * y)).clamp(0, 1))
    if look.pattern == "dotted":
        u, v = (x * 1.7 + 0.5) % 1 - 0.5, (y * 1.7 + 0.5) % 1 - 0.5
        return blend(first, second, (0.5 + soft / 1.7 * (0.27 - (u**2 + v**2).sqrt())).clamp(0, 1))
    if look.pattern == "checkered":
        waves = torch.sin(math.pi * 2.2 * x) * torch.sin(math.pi * 2.2 * y)
        return blend(first, second, (0.5 + soft / 2 * waves).clamp(0, 1))
    return first.expand(3, *x.shape)


Part = tuple[Field, tuple[float, float, float] | None]
"""The distance from the edge in radii, negative inside, and a color, or None for the object's own."""


def parts(shape: str, x: Field, y: Field) -> list[Part]:
    """What a shape is made of, from back to front. It reaches from -1 to 1 in both directions, or nearly so."""
    if shape == "ball":
        return [((x**2 + y**2).sqrt() - 1, None)]
    if shape == "box":
        return [(box(x, y + 0.1, 0.85, 0.85), None)]
    if shape == "pyramid":
        return [(triangle(x, y, 1.05, 2.0, -1), None)]
    if shape == "star":
        return [(star(x, y), None)]
    if shape == "heart":
        return [(heart(x, y), None)]
    if shape == "mushroom":
        cap = torch.maximum(((x / 1.05) ** 2 + ((y + 0.05) / 1.0) ** 2).sqrt() - 1, -0.1 - y)
        return [(box(x, y + 0.6, 0.30, 0.42), CREAM), (cap, None)]
    if shape == "house":
        walls, door = box(x, y + 0.4, 0.78, 0.60), box(x, y + 0.68, 0.18, 0.30)
        return [(walls, None), (triangle(x, y, 1.05, 0.85, 0.15), ROOF), (door, TRUNK)]
    crown = torch.minimum(
        (x**2 + (y - 0.5) ** 2).sqrt() - 0.55, (x.abs() - 0.42).square().add((y - 0.05) ** 2).sqrt() - 0.5
    )
    return [(box(x, y + 0.65, 0.15, 0.35), TRUNK), (crown, None)]


def box(x: Field, y: Field, half_width: float, half_height: float) -> Field:
    return torch.maximum(x.abs() - half_width, y.abs() - half_height)


def triangle(x: Field, y: Field, half_width: float, height: float, base: float) -> Field:
    slope = math.hypot(height, half_width)
    return torch.maximum((x.abs() * height + (y - base - height) * half_width) / slope, base - y)


def star(x: Field, y: Field) -> Field:
    """Five points; the distance to the nearest of their ten edges."""
    angle = torch.atan2(x, y - 0.0)
    sector = 2 * math.pi / 5
    angle = (angle + sector / 2) % sector - sector / 2
    u, v = (x**2 + y**2).sqrt() * torch.cos(angle), (x**2 + y**2).sqrt() * torch.sin(angle).abs()
    inner_u, inner_v = 0.5 * math.cos(sector / 2), 0.5 * math.sin(sector / 2)
    edge_u, edge_v = inner_u - 1.1, inner_v
    return ((u - 1.1) * -edge_v + v * edge_u) / -math.hypot(edge_u, edge_v)


def heart(x: Field, y: Field) -> Field:
    u, v = x.abs() * 1.05, y * 0.95 + 0.05
    lobes = ((u - 0.48) ** 2 + (v - 0.42) ** 2).sqrt() - 0.52
    wedge = torch.maximum((u * 0.82 - (v + 0.98) * 0.58), v - 0.42)
    return torch.minimum(lobes, wedge)
