"""Uncertainty that comes from the input: errors in variables.

The image is known up to noise of a stated covariance, and what that does to the values is a part of
their uncertainty of its own (Martin & Elster 2021, arXiv 2105.09095, who infer the true input; here its
covariance is propagated: JCGM 102, 6.2.1.3, or by stored draws as in JCGM 101).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..derivatives.jacobian import jacobian
from ..errors import CalibrationError, NetworkError
from ..graph.tape import Tape, shape_of
from ..network.forward import Forward, repeated

MOST_VALUES = 64
"""More values than these, one reverse pass each, are refused rather than waited for."""


@dataclass(frozen=True)
class InputNoise:
    """Noise of the graph's image x: variance constant^2 + proportional x of each pixel (x at least zero),
    in the image's unit, white or, where `correlation` is given, white noise filtered by that kernel [k, k]
    (odd, of unit energy).

    method: "first order", by the derivatives in the graph; or "draws", by so many stored draws, also for
    images of values and where the network is far from linear within the noise.
    """

    constant: float
    proportional: float = 0.0
    correlation: NDArray[np.float64] | None = None
    method: Literal["first order", "draws"] = "first order"
    draws: int = 16

    def variance(self, forward: Forward, mean: ir.Value) -> ir.Value:
        """The variance of the mean that comes from the input, of the mean's shape [1, D, ...].

        Raises NetworkError for a method that does not fit the network.
        """
        size = int(np.prod(shape_of(mean)))
        if self.method == "draws":
            return self._by_draws(forward, mean)
        if size > MOST_VALUES:
            raise NetworkError(
                f"{size} values; the input's uncertainty is propagated to first order for at most {MOST_VALUES}. "
                "Choose draws."
            )
        return self._first_order(forward, mean, size)

    def _first_order(self, forward: Forward, mean: ir.Value, size: int) -> ir.Value:
        """J Sigma Jᵀ on its diagonal."""
        tape = forward.tape
        seeds = tape.floats(np.eye(size).reshape(size, *shape_of(mean)))
        rows = jacobian(tape, {mean: seeds}, forward.image)
        channels = shape_of(forward.image)[1]
        if self.correlation is not None:
            half = self.correlation.shape[0] // 2
            kernel = np.broadcast_to(self.correlation[::-1, ::-1], (channels, 1, *self.correlation.shape))
            rows = tape.Conv(rows, tape.floats(kernel), pads=[half] * 4, group=channels)
        squares = tape.Mul(tape.Mul(rows, rows), self._pixel_variance(tape, forward.image))
        return tape.Reshape(tape.ReduceSum(squares, [1, 2, 3], keepdims=0), list(shape_of(mean)))

    def _pixel_variance(self, tape: Tape, image: ir.Value) -> ir.Value:
        if not self.proportional:
            return tape.floats(self.constant**2)
        return tape.Add(tape.Mul(tape.Max(image, 0.0), self.proportional), self.constant**2)

    def _by_draws(self, forward: Forward, mean: ir.Value) -> ir.Value:
        """Variance of the mean over noisy images, one draw after the other in a Scan."""
        tape = forward.tape
        draw = ir.val("draw", dtype=ir.DataType.INT8, shape=shape_of(forward.image))
        body = ir.Graph([draw], [], nodes=[], name="draw")
        inner = Tape(body, tape.dtype)
        stored, unit = self._stored(shape_of(forward.image))
        white = inner.Mul(inner.Cast(draw, to=tape.dtype), unit)
        noise = inner.Mul(white, inner.Sqrt(self._pixel_variance(inner, forward.image)))
        (noisy,) = repeated(inner, [mean], {forward.image: inner.Add(forward.image, noise)})
        body.outputs.append(noisy)
        values = tape.Scan(tape.constant(stored), body=body, num_scan_inputs=1)
        values.shape, values.dtype = ir.Shape((self.draws, *shape_of(mean))), tape.dtype
        deviation = tape.Sub(values, tape.ReduceMean(values, [0], keepdims=1))
        total = tape.ReduceSumSquare(deviation, [0], keepdims=0)
        return tape.Div(total, float(self.draws - 1))

    def _stored(self, shape: tuple[int, ...]) -> tuple[NDArray[np.int8], float]:
        """Draws of unit variance as codes int8 [draws, *shape], and what a step of the code is."""
        white = np.random.default_rng(0).normal(size=(self.draws, *shape))
        if self.correlation is not None:
            white = _filtered(white, self.correlation)
        white /= white.std()
        step = np.abs(white).max() / 127.0
        return np.round(white / step).astype(np.int8), float(step)


def read_correlation(path: Path) -> NDArray[np.float64]:
    """The kernel in a .npy file, brought to unit energy.

    Raises CalibrationError for another file, and for other than finite numbers [k, k] with odd k.
    """
    try:
        kernel = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CalibrationError(f"noise correlation {path}: {error}") from error
    odd = kernel.ndim == 2 and kernel.shape[0] == kernel.shape[1] and kernel.shape[0] % 2 == 1
    if not odd or kernel.dtype.kind not in "iuf" or not np.isfinite(kernel).all() or not kernel.any():
        raise CalibrationError(
            f"noise correlation {path}: {kernel.dtype} {list(kernel.shape)}, expected finite numbers [k, k] with odd k"
        )
    return kernel / np.sqrt((kernel.astype(np.float64) ** 2).sum())


def _filtered(white: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    half = kernel.shape[0] // 2
    padded = np.pad(white, [(0, 0)] * (white.ndim - 2) + [(half, half)] * 2, mode="wrap")
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape, axis=(-2, -1))
    return np.einsum("...ij,ij->...", windows, kernel)
