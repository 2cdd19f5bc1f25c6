"""The sliding window of convolutions and pools."""

from __future__ import annotations

from dataclasses import dataclass

from ..registry import Step


@dataclass(frozen=True)
class Window:
    """Kernel size, strides, pads (all leading, then all trailing), dilations and groups, with every
    default and `auto_pad` made explicit."""

    kernel: tuple[int, ...]
    strides: list[int]
    pads: list[int]
    dilations: list[int]
    group: int

    @classmethod
    def of(cls, s: Step, kernel: tuple[int, ...]) -> Window:
        """The window of a node whose input 0 is the image."""
        ones = [1] * len(kernel)
        strides = [int(v) for v in s.attribute("strides", ones)]
        dilations = [int(v) for v in s.attribute("dilations", ones)]
        extents = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
        pads = _pads(s, extents, strides)
        return cls(tuple(int(k) for k in kernel), strides, pads, dilations, int(s.attribute("group", 1)))

    def extent(self, axis: int) -> int:
        """The number of pixels that the window spans, holes included."""
        return self.dilations[axis] * (self.kernel[axis] - 1) + 1

    def left_over(self, out: tuple[int, ...], size: tuple[int, ...]) -> list[int]:
        """Pixels at the far end of an image of `size` that `out` strides did not reach."""
        half = len(self.kernel)
        return [
            size[i] + self.pads[i] + self.pads[i + half] - ((out[i] - 1) * self.strides[i] + self.extent(i))
            for i in range(half)
        ]


def _pads(s: Step, extents: list[int], strides: list[int]) -> list[int]:
    auto = s.attribute("auto_pad", "NOTSET")
    if auto == "NOTSET":
        return [int(v) for v in s.attribute("pads", [0] * (2 * len(extents)))]
    if auto == "VALID":
        return [0] * (2 * len(extents))
    totals = [
        max(0, (-(-size // stride) - 1) * stride + extent - size)
        for size, stride, extent in zip(s.shape()[2:], strides, extents, strict=True)
    ]
    small = [total // 2 for total in totals]
    large = [total - total // 2 for total in totals]
    return small + large if auto == "SAME_UPPER" else large + small
