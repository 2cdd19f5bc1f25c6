"""Monte-Carlo dropout with masks that are drawn once: the device repeats nothing at random.

Each mask makes a member of an ensemble, of which mean and scatter are those of dropout at inference
(Gal & Ghahramani 2016, arXiv 1506.02142, section 4).
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from ..errors import NetworkError

if TYPE_CHECKING:
    from torch import Tensor


def with_masks(module: Any, count: int, image_shape: tuple[int, ...], name: str) -> list[Any]:
    """Copies of a torch module whose dropout layers multiply by masks drawn here, from a fixed seed.

    Raises NetworkError for anything but one module with dropout layers.
    """
    import torch

    if not isinstance(module, torch.nn.Module) or isinstance(module, torch.nn.ModuleList):
        raise NetworkError(f"{name}: dropout masks are drawn for one module, got {type(module).__name__}")
    shapes = _shapes(module.eval(), torch.zeros(image_shape))
    if not shapes:
        raise NetworkError(f"{name}: no dropout layer (torch.nn.Dropout, Dropout1d to 3d) that the image passes")
    generator = torch.Generator().manual_seed(0)
    return [_masked(module, shapes, generator) for _ in range(count)]


def _shapes(module: Any, image: Tensor) -> dict[str, tuple[int, ...]]:
    """What each dropout layer works on."""
    import torch

    found: dict[str, tuple[int, ...]] = {}

    def note(path: str) -> Any:
        def hook(layer: Any, inputs: Any, output: Any) -> None:
            found[path] = tuple(output.shape)

        return hook

    hooks = [layer.register_forward_hook(note(path)) for path, layer in module.named_modules() if _is_dropout(layer)]
    with torch.no_grad():
        module(image)
    for hook in hooks:
        hook.remove()
    return found


def _is_dropout(layer: Any) -> bool:
    import torch

    return isinstance(layer, (torch.nn.Dropout, torch.nn.Dropout1d, torch.nn.Dropout2d, torch.nn.Dropout3d))


def _masked(module: Any, shapes: dict[str, tuple[int, ...]], generator: Any) -> Any:
    import torch

    class Masked(torch.nn.Module):
        """Multiplies by a mask."""

        mask: Tensor

        def __init__(self, mask: Tensor) -> None:
            super().__init__()
            self.register_buffer("mask", mask)

        def forward(self, x: Tensor) -> Tensor:
            return x * self.mask

    copy = deepcopy(module)
    for path, shape in shapes.items():
        layer = module.get_submodule(path)
        whole_channels = not isinstance(layer, torch.nn.Dropout)
        drawn = (*shape[:2], *(1,) * (len(shape) - 2)) if whole_channels else shape
        kept = torch.rand(drawn, generator=generator) >= layer.p
        parent, _, last = path.rpartition(".")
        setattr(copy.get_submodule(parent), last, Masked(kept.float() / (1.0 - layer.p)))
    return copy
