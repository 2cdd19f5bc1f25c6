"""Small networks that the tests export: every kind of layer, little to compute."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Classifier(nn.Module):
    """Ten classes of a 32 x 32 image: strided, grouped and transposed convolutions, batch
    normalisation behind a convolution and by itself, both pools, several activation functions."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.entry = nn.Sequential(nn.Conv2d(1, 8, 5, stride=2, padding=2), nn.BatchNorm2d(8), nn.LeakyReLU(0.1))
        self.grouped = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.norm = nn.BatchNorm2d(8)
        self.up = nn.Sequential(nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1), nn.Softplus(), nn.AvgPool2d(2))
        self.head = nn.Sequential(nn.Linear(14, 16), nn.Tanh(), nn.Linear(16, classes))

    def forward(self, image: Tensor) -> Tensor:
        x = self.grouped(self.entry(image))
        x = torch.cat([x, self.up(torch.sigmoid(self.norm(x)))], dim=1)
        return self.head(x.mean(dim=(2, 3)))


class Regressor(nn.Module):
    """Two measurands of a 32 x 32 image, with log variances: the image's brightness and contrast."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU()
        )
        self.head = nn.Linear(8, 4)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image).mean(dim=(2, 3)))


class Images(nn.Module):
    """An image for an image: so many channels at half the resolution."""

    def __init__(self, channels: int = 2) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, stride=2))
        self.up = nn.Sequential(nn.ConvTranspose2d(6, 6, 4, stride=2), nn.ReLU(), nn.Conv2d(6, channels, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.down(image)
        return self.up(features), features.mean(dim=(2, 3))


def _seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network = make()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
    return network.eval()


def classifier() -> nn.Module:
    """A classifier with random weights and statistics."""
    return _seeded(Classifier, 0)


def ensemble() -> list[nn.Module]:
    """Three regressors with random weights."""
    return [_seeded(Regressor, seed) for seed in range(3)]


def regressor() -> nn.Module:
    """One regressor with random weights."""
    return ensemble()[0]


def images() -> nn.Module:
    """Mean and log variance of each pixel, and a second output."""
    return _seeded(Images, 0)


def segmentation() -> nn.Module:
    """Three classes for each pixel, and a second output."""
    return _seeded(lambda: Images(3), 0)


def not_differentiable() -> nn.Module:
    """A network with two operators that have no rule, one of them in two places."""

    class Random(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            noise = torch.randn_like(image) * image + torch.randn_like(image[:, :, :8, :8]).mean()
            return (torch.rand_like(image) * noise).mean(dim=(2, 3)).repeat(1, 3)

    return Random()


def too_large() -> nn.Module:
    """A network with two determinants of matrices that are too large to be written out."""

    class Determinants(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return torch.linalg.det(image[:, :, :8, :8]) + torch.linalg.det(image[:, :, 8:16, 8:16])

    return Determinants()


def stepped() -> nn.Module:
    """A network whose result is constant almost everywhere."""

    class Stepped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 3)

        def forward(self, image: Tensor) -> Tensor:
            return self.head(torch.round(image[:, :, :2, :2].flatten(1)))

    return _seeded(Stepped, 0)


def weightless() -> nn.Module:
    """A network that has learned nothing."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())


def failing() -> nn.Module:
    """A factory that raises."""
    raise RuntimeError("no weights here")


def broken() -> nn.Module:
    """A network with NaN in its weights."""
    network = classifier()
    with torch.no_grad():
        next(network.parameters())[0, 0] = float("nan")
    return network


def _brightness(channels: int) -> nn.Module:
    """Closed form, of a 16 x 16 image with channels' means m_c: x = sum of 2^c m_c, mean 2 x + 0.5 and log variance
    x - 6."""
    mean, head = nn.Conv2d(channels, 1, 4, stride=4, bias=False), nn.Linear(1, 2)
    with torch.no_grad():
        for channel in range(channels):
            mean.weight[:, channel] = 2.0**channel / 16
        head.weight.copy_(torch.tensor([[2.0], [1.0]]))
        head.bias.copy_(torch.tensor([0.5, -6.0]))
    return nn.Sequential(mean, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()


def brightness() -> nn.Module:
    """Twice the mean m of a grey image, and 0.5; log variance m - 6."""
    return _brightness(1)


def colour() -> nn.Module:
    """The same of r + 2 g + 4 b, means of the channels of an image in colour."""
    return _brightness(3)
