"""How usual a statistic is, by those of images known to be usual."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def p_values(usual: NDArray, statistics: NDArray) -> NDArray[np.float64]:
    """The conformal p-value of each of `statistics` [m] over those of `usual` images [n], larger for less usual:
    p = (1 + #{t_i >= t}) / (n + 1), float64 [m].

    At most a share alpha of usual images has p <= alpha, whatever the distribution, if they are exchangeable with the
    n (Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World, proposition 2.2). A NaN is as unusual as
    can be.
    """
    at_least = (usual[None, :] >= statistics[:, None]).sum(axis=1)
    return (1 + at_least) / (len(usual) + 1)
