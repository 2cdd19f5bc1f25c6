"""One case for each operator with a rule: random shapes drawn by hypothesis, and what torch says.

A case is a node with its inputs and attributes, and the torch function that it is. Adding an
operator is one entry here; `test_rules` fails for a rule without one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Case:
    """inputs: float64 arrays, differentiated; constants: by input position, not differentiated."""

    function: Callable[..., Any]
    inputs: Sequence[np.ndarray]
    constants: dict[int, np.ndarray] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1


def values(draw: Draw, shape: Sequence[int], low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Random numbers without ties, away from the kinks that operators have at whole numbers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    array = rng.uniform(low, high, size=tuple(shape))
    near_kink = np.abs(array - np.round(array)) < 0.01
    return np.asarray(np.where(near_kink, array + 0.02, array))


def shapes(low: int = 1, high: int = 4) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, 4), min_size=low, max_size=high)


def pair(draw: Draw) -> tuple[list[int], list[int]]:
    """Two shapes that broadcast against each other."""
    shape = draw(shapes())
    a = [draw(st.sampled_from((1, n))) for n in shape]
    b = [n if m == 1 else draw(st.sampled_from((1, n))) for n, m in zip(shape, a, strict=True)]
    return a[draw(st.integers(0, len(a) - 1)) if b == shape else 0 :], b


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def unary(function: Callable[..., Any], low: float = -2.0, high: float = 2.0) -> Callable[[Draw], Case]:
    return lambda draw: Case(function, [values(draw, draw(shapes()), low, high)])


def binary(function: Callable[..., Any], low: float = -2.0) -> Callable[[Draw], Case]:
    def case(draw: Draw) -> Case:
        a, b = pair(draw)
        return Case(function, [values(draw, a), values(draw, b, low)])

    return case


def leaky(draw: Draw) -> Case:
    alpha = float(np.float32(draw(st.sampled_from((0.01, 0.3)))))  # as the file stores it
    x = values(draw, draw(shapes()))
    return Case(lambda x: F.leaky_relu(x, alpha), [x], attributes={"alpha": alpha})


def power(draw: Draw) -> Case:
    a, b = pair(draw)
    if draw(st.booleans()):  # a constant exponent, also of integer kind, and a base of any sign
        exponent = draw(st.sampled_from((np.array(2.0), np.array(3.0), np.array(1.0), ints(2)[0])))
        return Case(lambda x: x ** float(exponent), [values(draw, a)], {1: np.asarray(exponent)})
    return Case(torch.pow, [values(draw, a, 0.3), values(draw, b)])


def clip(draw: Draw) -> Case:
    return Case(lambda x: x.clamp(-1.0, 1.0), [values(draw, draw(shapes()))], {1: np.array(-1.0), 2: np.array(1.0)})


def where(draw: Draw) -> Case:
    a, b = pair(draw)
    shape = np.broadcast_shapes(a, b)
    condition = np.random.default_rng(draw(st.integers(0, 99))).random(shape) < 0.5
    mask = torch.from_numpy(np.asarray(condition))
    return Case(lambda x, y: torch.where(mask, x, y), [values(draw, a), values(draw, b)], {0: np.asarray(condition)})


def cast(draw: Draw) -> Case:
    return Case(lambda x: x, [values(draw, draw(shapes()))], attributes={"to": 11})


def softmax(function: Callable[..., Any]) -> Callable[[Draw], Case]:
    def case(draw: Draw) -> Case:
        x = values(draw, draw(shapes()))
        axis = draw(st.integers(-x.ndim, x.ndim - 1))
        return Case(lambda x: function(x, dim=axis), [x], attributes={"axis": axis})

    return case


def reduction(function: Callable[..., Any]) -> Callable[[Draw], Case]:
    def case(draw: Draw) -> Case:
        x = values(draw, draw(shapes()))
        axes = draw(st.lists(st.integers(0, x.ndim - 1), min_size=1, max_size=x.ndim, unique=True))
        keep = draw(st.booleans())
        signed = [axis - draw(st.sampled_from((0, x.ndim))) for axis in axes]
        return Case(lambda x: function(x, axes, keep), [x], {1: ints(*signed)}, {"keepdims": int(keep)})

    return case


def global_average(draw: Draw) -> Case:
    spatial = draw(st.integers(1, 3))
    x = values(draw, draw(shapes(spatial + 2, spatial + 2)))
    return Case(lambda x: x.mean(dim=tuple(range(2, x.ndim)), keepdim=True), [x])


def reshape(draw: Draw) -> Case:
    x = values(draw, draw(shapes()))
    first = x.shape[0]
    return Case(lambda x: x.reshape(first, -1), [x], {1: ints(first, -1)})


def flatten(draw: Draw) -> Case:
    x = values(draw, draw(shapes()))
    axis = draw(st.integers(0, x.ndim))
    rows = int(np.prod(x.shape[:axis]))
    return Case(lambda x: x.reshape(rows, -1), [x], attributes={"axis": axis})


def squeeze(draw: Draw) -> Case:
    shape = draw(shapes())
    axis = draw(st.integers(0, len(shape)))
    x = values(draw, [*shape[:axis], 1, *shape[axis:]])
    return Case(lambda x: x.squeeze(axis), [x], {1: ints(axis)})


def unsqueeze(draw: Draw) -> Case:
    x = values(draw, draw(shapes()))
    axis = draw(st.integers(0, x.ndim))
    return Case(lambda x: x.unsqueeze(axis), [x], {1: ints(axis)})


def transpose(draw: Draw) -> Case:
    x = values(draw, draw(shapes()))
    perm = draw(st.permutations(range(x.ndim)))
    return Case(lambda x: x.permute(*perm), [x], attributes={"perm": perm})


def expand(draw: Draw) -> Case:
    shape, wide = pair(draw)
    target = np.broadcast_shapes(shape, wide)
    return Case(lambda x: x.expand(*target), [values(draw, shape)], {1: ints(*target)})


def concat(draw: Draw) -> Case:
    shape = draw(shapes())
    axis = draw(st.integers(0, len(shape) - 1))
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    parts = [values(draw, [*shape[:axis], size, *shape[axis + 1 :]]) for size in sizes]
    return Case(lambda *parts: torch.cat(parts, dim=axis), parts, attributes={"axis": axis})


def split(draw: Draw) -> Case:
    shape = draw(shapes())
    axis = draw(st.integers(0, len(shape) - 1))
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=3))
    x = values(draw, [*shape[:axis], sum(sizes), *shape[axis + 1 :]])
    function = lambda x: torch.split(x, sizes, dim=axis)  # noqa: E731
    return Case(function, [x], {1: ints(*sizes)}, {"axis": axis}, outputs=len(sizes))


def sliced(draw: Draw) -> Case:
    x = values(draw, [draw(st.integers(3, 7)) for _ in range(draw(st.integers(1, 3)))])
    axis = draw(st.integers(0, x.ndim - 1))
    start, stop, step = draw(
        st.sampled_from(
            ((0, 2, 1), (1, -1, 1), (-3, 100, 1), (0, 100, 2), (1, 100, 3), (-1, -100, -1), (-1, -(2**62), -2))
        )
    )
    picked = torch.arange(x.shape[axis]).numpy()[slice(start, None if stop < -99 else stop, step)]
    where = torch.from_numpy(picked.copy())
    return Case(
        lambda x: x.index_select(axis, where), [x], {1: ints(start), 2: ints(stop), 3: ints(axis), 4: ints(step)}
    )


def pad(draw: Draw) -> Case:
    x = values(draw, [1, draw(st.integers(1, 3)), draw(st.integers(3, 6)), draw(st.integers(3, 6))])
    mode = draw(st.sampled_from(("constant", "reflect", "edge")))
    top, left, bottom, right = (draw(st.integers(0, 2)) for _ in range(4))
    torch_mode = "replicate" if mode == "edge" else mode
    return Case(
        lambda x: F.pad(x, (left, right, top, bottom), mode=torch_mode),
        [x],
        {1: ints(0, 0, top, left, 0, 0, bottom, right)},
        {"mode": mode},
    )


def gather(draw: Draw) -> Case:
    x = values(draw, draw(shapes()))
    axis = draw(st.integers(0, x.ndim - 1))
    indices = ints(*draw(st.lists(st.integers(0, x.shape[axis] - 1), min_size=1, max_size=4)))
    where = torch.from_numpy(indices)
    return Case(lambda x: x.index_select(axis, where), [x], {1: indices}, {"axis": axis})


def _indices(draw: Draw, x: np.ndarray) -> tuple[int, np.ndarray]:
    axis = draw(st.integers(0, x.ndim - 1))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return axis, rng.integers(0, x.shape[axis], size=x.shape)


def gather_elements(draw: Draw) -> Case:
    x = values(draw, draw(shapes()))
    axis, indices = _indices(draw, x)
    where = torch.from_numpy(indices)
    return Case(lambda x: x.gather(axis, where), [x], {1: indices}, {"axis": axis})


def scatter_elements(draw: Draw) -> Case:
    x = values(draw, draw(shapes()))
    axis, indices = _indices(draw, x)
    where = torch.from_numpy(indices)
    attributes = {"axis": axis, "reduction": "add"}
    return Case(lambda x, u: x.scatter_add(axis, where, u), [x, values(draw, x.shape)], {1: indices}, attributes)


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


def _pool(draw: Draw, attributes: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any], list[int]]:
    kernel = [draw(st.integers(1, 3)) for _ in range(2)]
    strides = [draw(st.integers(1, 3)) for _ in range(2)]
    pads = [draw(st.integers(0, k // 2)) for k in kernel]
    x = values(draw, [draw(st.integers(1, 2)), draw(st.integers(1, 3)), *(draw(st.integers(5, 8)) for _ in range(2))])
    return x, {"kernel_shape": kernel, "strides": strides, "pads": pads + pads, **attributes}, pads


def max_pool(draw: Draw) -> Case:
    dilations = [draw(st.integers(1, 2)) for _ in range(2)]
    x, attributes, pads = _pool(draw, {"dilations": dilations})
    return Case(
        lambda x: F.max_pool2d(x, attributes["kernel_shape"], attributes["strides"], pads, dilations),
        [x],
        attributes=attributes,
    )


def average_pool(draw: Draw) -> Case:
    with_padding = draw(st.booleans())
    x, attributes, pads = _pool(draw, {"count_include_pad": int(with_padding)})
    return Case(
        lambda x: F.avg_pool2d(
            x, attributes["kernel_shape"], attributes["strides"], pads, count_include_pad=with_padding
        ),
        [x],
        attributes=attributes,
    )


CASES: dict[str, Callable[[Draw], Case]] = {
    "Abs": unary(torch.abs),
    "Add": binary(torch.add),
    "AveragePool": average_pool,
    "Cast": cast,
    "Clip": clip,
    "Concat": concat,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Div": binary(torch.div, low=0.3),
    "Erf": unary(torch.erf),
    "Exp": unary(torch.exp),
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "GatherElements": gather_elements,
    "Gemm": gemm,
    "GlobalAveragePool": global_average,
    "Identity": unary(lambda x: x * 1.0),
    "LeakyRelu": leaky,
    "Log": unary(torch.log, low=0.3),
    "LogSoftmax": softmax(torch.log_softmax),
    "MatMul": matmul,
    "MaxPool": max_pool,
    "Mul": binary(torch.mul),
    "Neg": unary(torch.neg),
    "Pad": pad,
    "Pow": power,
    "Reciprocal": unary(torch.reciprocal, low=0.3),
    "ReduceMean": reduction(lambda x, axes, keep: x.mean(dim=axes, keepdim=keep)),
    "ReduceSum": reduction(lambda x, axes, keep: x.sum(dim=axes, keepdim=keep)),
    "ReduceSumSquare": reduction(lambda x, axes, keep: (x * x).sum(dim=axes, keepdim=keep)),
    "Relu": unary(torch.relu),
    "Reshape": reshape,
    "ScatterElements": scatter_elements,
    "Sigmoid": unary(torch.sigmoid),
    "Slice": sliced,
    "Softmax": softmax(torch.softmax),
    "Softplus": unary(F.softplus),
    "Split": split,
    "Sqrt": unary(torch.sqrt, low=0.3),
    "Squeeze": squeeze,
    "Sub": binary(torch.sub),
    "Sum": lambda draw: Case(lambda *x: sum(x[1:], x[0]), [values(draw, shape) for shape in pair(draw)]),
    "Tanh": unary(torch.tanh),
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
    "Where": where,
}
