"""Running a graph over the usual images, and what it gave on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from fisherlens.edge.bundle import Session

from ..progress import Progress
from .images import COUNTING, FITTING, Images

Columns = Sequence[NDArray[np.float32]]
"""Values on n images, [n, ...] each."""


@dataclass(frozen=True)
class UsualRun:
    """The outputs of a graph on usual images; every array has a row an image, in their order.

    outputs: the head's, by the bundle's names. measured: for each check by name what its statistic is made of.
    members: for each member its own outputs.
    """

    outputs: dict[str, NDArray[np.float32]]
    measured: dict[str, list[NDArray[np.float32]]]
    members: list[list[NDArray[np.float32]]]

    @property
    def fitting(self) -> UsualRun:
        """The run on those images that fit what is usual."""
        return self._of(FITTING)

    @property
    def counting(self) -> UsualRun:
        """The run on the other images, over which p-values count."""
        return self._of(COUNTING)

    def _of(self, part: slice) -> UsualRun:
        return UsualRun(
            {name: values[part] for name, values in self.outputs.items()},
            {name: [values[part] for values in columns] for name, columns in self.measured.items()},
            [[values[part] for values in outputs] for outputs in self.members],
        )


def usual_run(
    session_of: Callable[[dict[str, ir.Value]], Session],
    outputs: Mapping[str, ir.Value],
    measured: Mapping[str, Sequence[ir.Value]],
    members: Sequence[Sequence[ir.Value]],
    images: Images,
    progress: Progress,
) -> UsualRun:
    """Run all these values of a graph over the images. session_of: opens the graph with outputs of given names."""
    groups = {
        **{("output", name): [value] for name, value in outputs.items()},
        **{("check", name): list(values) for name, values in measured.items()},
        **{("member", str(number)): list(values) for number, values in enumerate(members)},
    }
    named = {f"{kind}.{name}.{i}": v for (kind, name), values in groups.items() for i, v in enumerate(values)}
    found = collect(session_of(named), images, progress, "calibrate")
    columns = {key: [found[f"{key[0]}.{key[1]}.{i}"] for i in range(len(values))] for key, values in groups.items()}
    return UsualRun(
        {name: columns["output", name][0] for name in outputs},
        {name: columns["check", name] for name in measured},
        [columns["member", str(number)] for number in range(len(members))],
    )


def collect(session: Session, images: Images, progress: Progress, label: str) -> dict[str, NDArray[np.float32]]:
    """All outputs of a graph over all images, stacked along a new first axis. label: what is shown meanwhile."""
    names = [output.name for output in session.get_outputs()]
    rows = [session.run(names, {"image": read()}) for read in progress(images, label)]
    return {name: np.stack(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
