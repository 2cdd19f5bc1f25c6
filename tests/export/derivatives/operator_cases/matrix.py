"""Matrix products and convolutions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st

from .drawing import Case, Draw, pair, shapes, values


def matmul(draw: Draw) -> Case:
    m, k, n = (draw(st.integers(1, 4)) for _ in range(3))
    a, b = pair(draw)
    left = draw(st.sampled_from(([k], [m, k], [*a, m, k])))
    right = draw(st.sampled_from(([k], [k, n], [*b, k, n])))
    return Case(torch.matmul, [values(draw, left), values(draw, right)])


def gemm(draw: Draw) -> Case:
    m, k, n = (draw(st.integers(1, 4)) for _ in range(3))
    ta, tb = draw(st.booleans()), draw(st.booleans())
    alpha, beta = draw(st.sampled_from(((1.0, 1.0), (0.5, 2.0))))
    a, b = values(draw, [k, m] if ta else [m, k]), values(draw, [n, k] if tb else [k, n])
    c = values(draw, draw(st.sampled_from(([n], [1, n], [m, n], [m, 1]))))

    def function(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return alpha * (a.T if ta else a) @ (b.T if tb else b) + beta * c

    return Case(function, [a, b, c], attributes={"transA": int(ta), "transB": int(tb), "alpha": alpha, "beta": beta})


def _window(draw: Draw, spatial: int) -> tuple[list[int], list[int], list[int], list[int]]:
    """Kernel, strides, pads smaller than the kernel, dilations."""
    kernel = [draw(st.integers(1, 3)) for _ in range(spatial)]
    strides = [draw(st.integers(1, 3)) for _ in range(spatial)]
    dilations = [draw(st.integers(1, 2)) for _ in range(spatial)]
    pads = [draw(st.integers(0, k - 1)) for k in kernel]
    return kernel, strides, pads, dilations


def conv(draw: Draw) -> Case:
    spatial = draw(st.integers(1, 2))
    kernel, strides, pads, dilations = _window(draw, spatial)
    group, n = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    c, m = group * draw(st.integers(1, 2)), group * draw(st.integers(1, 2))
    x = values(draw, [n, c, *(draw(st.integers(5, 8)) for _ in range(spatial))])
    inputs = [x, values(draw, [m, c // group, *kernel]), values(draw, [m])]
    function = {1: F.conv1d, 2: F.conv2d}[spatial]
    attributes = {"strides": strides, "pads": pads + pads, "dilations": dilations, "group": group}
    return Case(
        lambda x, w, b: function(x, w, b, stride=strides, padding=pads, dilation=dilations, groups=group),
        inputs,
        attributes=attributes,
    )


def conv_transpose(draw: Draw) -> Case:
    spatial = draw(st.integers(1, 2))
    kernel, strides, pads, dilations = _window(draw, spatial)
    group, n = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    c, m = group * draw(st.integers(1, 2)), draw(st.integers(1, 2))
    extra = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(strides, dilations, strict=True)]
    extra = [min(e, s - 1) for e, s in zip(extra, strides, strict=True)]
    x = values(draw, [n, c, *(draw(st.integers(3, 5)) for _ in range(spatial))])
    inputs = [x, values(draw, [c, m, *kernel]), values(draw, [m * group])]
    function = {1: F.conv_transpose1d, 2: F.conv_transpose2d}[spatial]
    attributes = {
        "strides": strides, "pads": pads + pads, "dilations": dilations, "group": group, "output_padding": extra,
    }  # fmt: skip
    return Case(
        lambda x, w, b: function(
            x, w, b, stride=strides, padding=pads, dilation=dilations, groups=group, output_padding=extra
        ),
        inputs,
        attributes=attributes,
    )


EQUATIONS = ("ij,jk->ik", "bij,bjk->bik", "ij->ji", "ij,kj,k->i", "ijk,j->ik", "bhqd,bhkd->bhqk", "ij,k->k")


def einsum(draw: Draw) -> Case:
    equation = draw(st.sampled_from(EQUATIONS))
    sizes = {letter: draw(st.integers(1, 3)) for letter in "bhijkqd"}
    operands = equation.split("->")[0].split(",")
    inputs = [values(draw, [sizes[letter] for letter in term]) for term in operands]
    return Case(lambda *x: torch.einsum(equation, *x), inputs, attributes={"equation": equation})


def dft(draw: Draw) -> Case:
    complex_input, inverse = draw(st.booleans()), draw(st.booleans())
    onesided = not complex_input and not inverse and draw(st.booleans())
    x = values(draw, [*draw(shapes(2, 3)), 2 if complex_input else 1])
    axis = draw(st.integers(0, x.ndim - 2))
    length = draw(st.integers(1, 5)) if draw(st.booleans()) else x.shape[axis]

    def function(x: torch.Tensor) -> torch.Tensor:
        signal = torch.view_as_complex(x.contiguous()) if complex_input else x.squeeze(-1)
        transform = torch.fft.ifft if inverse else torch.fft.rfft if onesided else torch.fft.fft
        return torch.view_as_real(transform(signal, n=length, dim=axis).resolve_conj())

    constants = {1: np.array(length, np.int64), 2: np.array(axis, np.int64)}
    return Case(function, [x], constants, {"inverse": int(inverse), "onesided": int(onesided)})


CASES: dict[str, Callable[[Draw], Case]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "DFT": dft,
    "Einsum": einsum,
    "Gemm": gemm,
    "MatMul": matmul,
}
