"""The picture of the model card: reliability and selective risk."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .intervals import share
from .performance import BINS, bin_of, kept, selective_risks
from .readings import Readings

COVERAGES = np.linspace(0.05, 1.0, 39)


def reliability_and_risk(found: Readings, truth: NDArray[np.bool_]) -> Figure:
    """Draw both panels of a bundle's readings of usual images, of which it is known whether they show pneumonia [n]."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _reliability(left, found, truth)
    _risk(right, found, truth)
    return figure


def _reliability(axes: Axes, found: Readings, truth: NDArray[np.bool_]) -> None:
    """The share of right predictions in each bin of confidence, with the number of its images."""
    right, bins = found.ill == truth, bin_of(found.confidence)
    axes.plot([0.5, 1], [0.5, 1], "k--", lw=1, label="calibrated")
    for number in np.unique(bins):
        inside = bins == number
        estimate, at = share(right[inside], found.patients[inside]), found.confidence[inside].mean()
        around = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
        axes.errorbar(at, estimate.value, around, fmt="C0o", ms=5, capsize=3)
        axes.annotate(f"{inside.sum()}", (at, 0.02), ha="center", fontsize=8, xycoords=("data", "axes fraction"))
    axes.set(xlabel="mean confidence", ylabel="share right", xlim=(0.48, 1.02), ylim=(0, 1.03))
    axes.set_title(f"reliability ({len(BINS) - 1} bins, with their images)", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _risk(axes: Axes, found: Readings, truth: NDArray[np.bool_]) -> None:
    """The share of wrong predictions among the images kept, most confident first."""
    wrong = found.ill != truth
    coverage = np.arange(1, len(wrong) + 1) / len(wrong)
    axes.plot(100 * coverage, 100 * selective_risks(found.confidence, wrong), "C0-", label="by confidence")
    ends = []
    for each in COVERAGES:
        mask = kept(found.confidence, each)
        ends.append(share(wrong[mask], found.patients[mask]))
    axes.fill_between(
        100 * COVERAGES, [100 * e.low for e in ends], [100 * e.high for e in ends], color="C0", alpha=0.2, lw=0
    )
    axes.axhline(100 * wrong.mean(), color="k", ls="--", lw=1, label="at random")
    axes.plot(100 * (~found.flagged).mean(), 100 * wrong[~found.flagged].mean(), "C3s", ms=5, label="not flagged")
    axes.set(xlabel="images kept / %", ylabel="wrong of the kept / %", xlim=(0, 101))
    axes.set_ylim(0, 110 * ends[-1].high)  # the interval of the few most confident is wider than the figure
    axes.set_title("selective risk", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left")
