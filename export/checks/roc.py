"""How well a statistic tells unusual images from usual ones, at every threshold."""

from __future__ import annotations

from numpy.typing import NDArray


def area_under_roc(usual: NDArray, unusual: NDArray) -> float:
    """The probability that an unusual image's statistic is larger than a usual one's, by all pairs of the statistics
    [n] and [m]; ties count half (Hanley & McNeil 1982, Radiology 143)."""
    ties = (usual[None, :] == unusual[:, None]).mean()
    return float((unusual[:, None] > usual[None, :]).mean() + ties / 2)
