"""How much detail images have."""

import io

import torch
from PIL import Image

HIGH = 0.25
"""The lowest of the high spatial frequencies in cycles per pixel: half of the highest that an image can have."""

LUMINANCE = (0.299, 0.587, 0.114)
JPEG_QUALITY = 95


def get_fine_contrast(images: torch.Tensor) -> torch.Tensor:
    """Returns the contrast of high spatial frequencies: the square root of their energy per pixel.

    images: (batch, 3, height, width) from -1 to 1. The result (batch,) is in levels of luminance, of which there are
    256.
    """
    luminance = torch.einsum("bchw,c->bhw", (images.double() + 1) * 127.5, images.new_tensor(LUMINANCE).double())
    height, width = luminance.shape[1:]
    y, x = torch.meshgrid(torch.fft.fftfreq(height), torch.fft.fftfreq(width), indexing="ij")
    spectrum = torch.fft.fft2(luminance, norm="forward") * ((x**2 + y**2).sqrt() > HIGH)
    return spectrum.abs().square().sum((1, 2)).sqrt().float()


def get_jpeg_bits(images: torch.Tensor) -> torch.Tensor:
    """Returns the size of JPEG files in bits per pixel (batch,), a common measure of an image's complexity."""
    pixels = ((images + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return torch.tensor([get_jpeg_size(Image.fromarray(image)) * 8 / image[..., 0].size for image in pixels])


def get_jpeg_size(image: Image.Image) -> int:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=JPEG_QUALITY)
    return file.tell()
