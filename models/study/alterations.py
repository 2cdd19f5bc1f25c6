"""Changes of usual images that nobody made to deceive: [n, C, H, W] in [0, 1] to [n, C, H, W] in [0, 1]."""

from __future__ import annotations

import imagecodecs
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noisy(images: Tensor, deviation: float) -> Tensor:
    """Add white Gaussian noise."""
    return (images + deviation * torch.randn(images.shape, generator=_generator())).clamp(0, 1)


def blurred(images: Tensor, deviation: float) -> Tensor:
    """Blur by a Gaussian, of standard deviation in pixels."""
    reach = int(np.ceil(2.7 * deviation))
    kernel = torch.exp(-(torch.arange(-reach, reach + 1).double() ** 2) / (2 * deviation**2)).float()
    kernel = (kernel / kernel.sum()).repeat(images.shape[1], 1, 1)
    down = F.conv2d(images, kernel[..., None], padding=(reach, 0), groups=images.shape[1])
    return F.conv2d(down, kernel[:, :, None], padding=(0, reach), groups=images.shape[1])


def other_transfer(images: Tensor, length: float) -> Tensor:
    """Read by a detector with another modulation transfer function: times 1 / (1 + (2 pi f length)^2), f in cycles a
    pixel; its point spread has exponential tails, of `length` pixels, as a thick scintillator's has."""
    rows, columns = images.shape[2:]
    f2 = torch.fft.fftfreq(2 * rows)[:, None] ** 2 + torch.fft.rfftfreq(2 * columns)[None] ** 2
    mirrored = F.pad(images, (0, columns, 0, rows), mode="replicate")
    transfer = 1.0 / (1.0 + (2 * np.pi * length) ** 2 * f2)
    return torch.fft.irfft2(torch.fft.rfft2(mirrored) * transfer, s=(2 * rows, 2 * columns))[
        ..., :rows, :columns
    ].clamp(0, 1)


def collimated(images: Tensor, share: float) -> Tensor:
    """Covered by collimator blades at all borders: black but for a rectangle inside, `share` of each side left out."""
    top, left = (int(share * size) for size in images.shape[2:])
    covered = torch.zeros_like(images)
    inside = (slice(None), slice(None), slice(top, images.shape[2] - top), slice(left, images.shape[3] - left))
    covered[inside] = images[inside]
    return covered


def salted(images: Tensor, share: float) -> Tensor:
    """Set a share of the pixels black or white, at random (salt and pepper)."""
    drawn = torch.rand(images.shape, generator=_generator())
    return torch.where(drawn < share / 2, 0.0, torch.where(drawn > 1 - share / 2, 1.0, images))


def zoomed(images: Tensor, factor: float) -> Tensor:
    """Enlarge about the centre."""
    scale = torch.tensor([[1 / factor, 0.0, 0.0], [0.0, 1 / factor, 0.0]]).expand(len(images), 2, 3)
    grid = F.affine_grid(scale, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def striped(images: Tensor, amplitude: float, period: int) -> Tensor:
    """Add a stripe pattern, as of amplifiers that differ from column to column; period in pixels."""
    columns = torch.arange(images.shape[3]) % period < period / 2
    return (images + amplitude * (columns.float() - 0.5)).clamp(0, 1)


def recompressed(images: Tensor, level: int) -> Tensor:
    """Compress by JPEG at a level of quality from 1 to 100, channel by channel, and read again."""
    bytes_ = (255 * images).round().byte().numpy()
    found = [
        [imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(channel, level=level)) for channel in image]
        for image in bytes_
    ]
    return torch.from_numpy(np.array(found, dtype=np.float32) / 255.0)


def shadowed(images: Tensor, depth: float) -> Tensor:
    """Darken by smooth patches, at most by the share `depth`."""
    patches = F.interpolate(
        torch.rand((len(images), 1, 4, 4), generator=_generator()), images.shape[2:], mode="bicubic"
    )
    return (images * (1 - depth * patches.clamp(0, 1))).clamp(0, 1)
