"""Does the bundle say what the framework says?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.bundle.manifest import Parity

from ..errors import ParityError
from ..graph.tape import TINY
from ..network.source import Network
from ..progress import Progress
from .images import Images

TOLERANCE = 1e-3
"""Largest relative difference that is accepted, of the outputs in float32."""


def compare(
    networks: Sequence[Network],
    images: Images,
    bundled: Sequence[Sequence[NDArray[np.float32]]],
    tolerance: float,
    progress: Progress,
) -> Parity:
    """Worst difference between each network, run by its framework, and its outputs in the bundle.

    bundled: for each member its outputs, each [n, *shape]. Raises ParityError above `tolerance`,
    relative to the largest magnitude of the output over the images.
    """
    differences, shares = [], []
    largest = [[float(np.abs(output).max()) for output in outputs] for outputs in bundled]
    for index, read in enumerate(progress(images, "compare")):
        image = read()
        for network, outputs, magnitudes in zip(networks, bundled, largest, strict=True):
            for theirs, ours, magnitude in zip(network.forward(image), outputs, magnitudes, strict=True):
                difference = float(np.abs(theirs - ours[index]).max())
                differences.append(difference)
                shares.append(difference / max(magnitude, TINY))
    absolute, relative = float(np.max(differences)), float(np.max(shares))  # NaN where one of them is
    if not relative <= tolerance:
        raise ParityError(
            f"the bundle differs from {networks[0].framework} by {absolute:.3g} ({relative:.3g} relative), expected at "
            f"most {tolerance:g} relative. No bundle was written: report the network, or give a larger --tolerance."
        )
    return Parity(
        framework=networks[0].framework,
        images=len(images),
        absolute=absolute,
        relative=relative,
        tolerance=tolerance,
    )
