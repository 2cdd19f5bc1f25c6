"""What is not finite on usual images is refused, and where it comes from is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from ..errors import NetworkError
from ..graph.finite import origin
from .collect import Columns
from .images import ImageFile, Images

ModelOf = Callable[[dict[str, ir.Value]], ir.Model]


def require_finite(what: str, values: Sequence[ir.Value], found: Columns, images: Images, model_of: ModelOf) -> None:
    """Raise NetworkError where a graph's values are NaN or infinite on an image, naming the first such image and the
    node that it begins at.

    what: the values in words. found: what they were on the images, [n, ...] each. model_of: a model with some values
    of the graph as its outputs; it is asked for only where something is not finite.
    """
    bad = np.zeros(len(images), dtype=bool)
    for column in found:
        bad |= ~np.isfinite(column).reshape(len(images), -1).all(axis=1)
    if not bad.any():
        return
    first = int(bad.argmax())
    model = model_of({f"finite.{i}": value for i, value in enumerate(values)})
    begins = origin(model, {"image": images[first]()}) or "no node, but a constant"
    raise NetworkError(
        f"{what}: not finite on {bad.sum()} of {len(images)} usual images, expected finite numbers. On "
        f"{_named(images, first)} it begins at {begins}. Keep that finite, as by a small constant under a root or in a "
        "divisor, or leave out such images if they are not usual."
    )


def _named(images: Images, index: int) -> str:
    image = images[index]
    return f"image {image.path}" if isinstance(image, ImageFile) else f"image {index + 1}"
