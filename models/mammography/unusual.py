"""Images that the network was not made for, and that its checks are to flag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.preprocess import preprocess, vouched
from fisherlens.export.derivatives.bundle_gradient import result_gradient

from .detector import BITS_STORED, Transfer
from .input import INPUT
from .population import FIELD, Acquisition

BUDGET = 20
"""Largest change of a stored value by the attack; the noise of a usual image is about 100."""
STEPS = 8


def degraded(usual: Acquisition) -> Acquisition:
    """The usual acquisition by a worn detector: scintillator blurred, amplifiers noisy, 30 dead lines."""
    worn = replace(
        usual.detector, mtf=Transfer(1.5), noise_transfer=Transfer(1.5), electronic_noise=40.0, dead_lines=30
    )
    return replace(usual, detector=worn)


def without_phantom(usual: Acquisition) -> Acquisition:
    """The usual acquisition with nothing in the beam but the support."""
    return replace(usual, phantom=None)


def attack(bundle: Path) -> Callable[[NDArray[np.uint16]], NDArray[np.uint16]]:
    """A function that makes the system of an image look better than it is: it changes the field that
    the network reads by at most BUDGET stored values, by projected gradient descent (Madry et al.
    2018, arXiv 1706.06083) on the sum of relative thresholds, rounded as a file is."""
    gradient = result_gradient(bundle, "value")

    def perturb(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
        top, left = ((size - FIELD) // 2 for size in pixels.shape)
        window = (slice(top, top + FIELD), slice(left, left + FIELD))
        field = pixels[window].astype(np.float32)
        change = np.zeros_like(field)
        value = gradient(_image(field), np.zeros(5, np.float32))[0]
        for _ in range(STEPS):
            slope = gradient(_image(field + change), 1.0 / value)[1][0, 0]
            change = np.clip(change - 2 * BUDGET / STEPS * np.sign(slope), -BUDGET, BUDGET)
        attacked = pixels.copy()
        attacked[window] = np.clip(np.rint(field + change), 0, 2**BITS_STORED - 1).astype(np.uint16)
        return attacked

    return perturb


_BETWEEN_STEPS = msgspec.structs.replace(INPUT, bits_stored=None)
"""The way of a field while it is attacked: it leaves what BITS_STORED hold by up to BUDGET until it is rounded."""


def _image(field: NDArray[np.float32]) -> NDArray[np.float32]:
    return preprocess(vouched(field, _BETWEEN_STEPS), _BETWEEN_STEPS)
