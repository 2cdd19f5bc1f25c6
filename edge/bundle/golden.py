"""Golden vectors: one usual image inside the bundle with the outputs it must give, in any language."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import BundleRefused
from .manifest import GOLDEN_KEY
from .opening import Bundle


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """An image and its outputs with `explain` set.

    The image is low + step * code, in float32, with uint8 codes in row order, compressed by zlib (in
    base64 in JSON), of that shape [1, C, H, W]. outputs: by name, flattened.
    """

    shape: tuple[int, ...]
    low: float
    step: float
    codes: bytes
    outputs: dict[str, list[float]]

    @property
    def image(self) -> NDArray[np.float32]:
        """The graph's image [1, C, H, W]."""
        codes = np.frombuffer(zlib.decompress(self.codes), np.uint8).reshape(self.shape)
        return np.float32(self.low) + np.float32(self.step) * codes.astype(np.float32)

    @classmethod
    def near(cls, image: NDArray[np.float32]) -> Golden:
        """Code an image [1, C, H, W] in 256 steps of its range, without outputs yet."""
        low, high = float(image.min()), float(image.max())
        step = (high - low) / 255
        codes = np.rint((image - low) / step).astype(np.uint8)
        return cls(shape=image.shape, low=low, step=step, codes=zlib.compress(codes.tobytes(), 9), outputs={})


def read_golden(bundle: Bundle) -> Golden:
    """Read a bundle's golden vectors. Raises BundleRefused if it has none."""
    text = bundle.session.get_modelmeta().custom_metadata_map.get(GOLDEN_KEY)
    if text is None:
        raise BundleRefused(f"bundle {bundle.path}: no golden vectors; export the network again")
    return msgspec.json.decode(text, type=Golden)


def self_test(bundle: Bundle) -> tuple[float, float]:
    """Give the largest difference of this machine's outputs from the bundle's golden ones, and the largest that is
    expected: both relative. Raises BundleRefused if it has none."""
    return worst_difference(bundle, read_golden(bundle)), bundle.manifest.parity.tolerance


def worst_difference(bundle: Bundle, golden: Golden) -> float:
    """Give the largest difference of this machine's outputs from the golden ones, relative to the output's
    largest magnitude. What is counted, not computed, may be one count off: codes of the map, and images
    of the calibration that are as unusual."""
    outputs = bundle.run(golden.image, explain=True)
    fewest = min(check.calibration_size for check in bundle.manifest.checks)
    counted = {"map": 1.0, "p_value": 1.0 / (fewest + 1)}
    return max(
        _difference(outputs[name], np.array(expected), 1.01 * counted.get(name, 0.0))
        for name, expected in golden.outputs.items()
    )


def _difference(given: NDArray, expected: NDArray, count: float) -> float:
    given = given.astype(float).ravel()
    if given.shape != expected.shape:
        return float("inf")
    largest = max(float(np.abs(given - expected).max(initial=0.0)) - count, 0.0)
    return float(largest / max(np.abs(expected).max(initial=0.0), 1e-30))
