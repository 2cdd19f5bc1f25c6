"""Operators that move, repeat or choose elements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st

from .drawing import Case, Draw, ints, pair, shapes, values


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


def tile(draw: Draw) -> Case:
    x = values(draw, draw(shapes(1, 3)))
    repeats = [draw(st.integers(1, 3)) for _ in x.shape]
    return Case(lambda x: x.repeat(*repeats), [x], {1: ints(*repeats)})


def depth_to_space(draw: Draw) -> Case:
    b, mode = draw(st.integers(1, 2)), draw(st.sampled_from(("DCR", "CRD")))
    n, c, h, w = 1, draw(st.integers(1, 2)), 2, 3
    x = values(draw, [n, c * b * b, h, w])

    def function(x: torch.Tensor) -> torch.Tensor:
        blocks = x.reshape((n, b, b, c, h, w) if mode == "DCR" else (n, c, b, b, h, w))
        perm = (0, 3, 4, 1, 5, 2) if mode == "DCR" else (0, 1, 4, 2, 5, 3)
        return blocks.permute(perm).reshape(n, c, h * b, w * b)

    return Case(function, [x], attributes={"blocksize": b, "mode": mode})


def space_to_depth(draw: Draw) -> Case:
    n, c, h, w, b = 1, draw(st.integers(1, 2)), 2, 3, draw(st.integers(1, 2))
    x = values(draw, [n, c, h * b, w * b])
    return Case(
        lambda x: x.reshape(n, c, h, b, w, b).permute(0, 3, 5, 1, 2, 4).reshape(n, c * b * b, h, w),
        [x],
        attributes={"blocksize": b},
    )


def gather_nd(draw: Draw) -> Case:
    x = values(draw, [draw(st.integers(1, 3)) for _ in range(3)])
    batch = draw(st.integers(0, 1))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    count = x.shape[0] if batch else draw(st.integers(1, 3))
    indices = np.stack([rng.integers(0, x.shape[batch], size=(count, 2))], axis=-1).astype(np.int64)
    where = torch.from_numpy(indices[..., 0])

    def function(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[i][where[i]] for i in range(count)]) if batch else x[where]

    return Case(function, [x], {1: indices}, {"batch_dims": batch})


def scatter_nd(draw: Draw) -> Case:
    reduction = draw(st.sampled_from(("none", "add")))
    x = values(draw, [draw(st.integers(3, 5)), draw(st.integers(1, 3))])
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    rows = rng.permutation(x.shape[0])[:2] if reduction == "none" else rng.integers(0, x.shape[0], size=2)
    where = torch.from_numpy(rows)
    return Case(
        lambda x, u: x.index_copy(0, where, u) if reduction == "none" else x.index_add(0, where, u),
        [x, values(draw, [2, x.shape[1]])],
        {1: rows[:, None].astype(np.int64)},
        {"reduction": reduction},
    )


def replacing_scatter(draw: Draw) -> Case:
    """Without a reduction every place is written once."""
    x = values(draw, [draw(st.integers(2, 4)), draw(st.integers(1, 3))])
    order = np.argsort(np.random.default_rng(draw(st.integers(0, 99))).random(x.shape), axis=0)[:2]
    where = torch.from_numpy(order)
    return Case(
        lambda x, u: x.scatter(0, where, u), [x, values(draw, order.shape)], {1: order.astype(np.int64)}, {"axis": 0}
    )


def scatter(draw: Draw) -> Case:
    return scatter_elements(draw) if draw(st.booleans()) else replacing_scatter(draw)


def one_hot(draw: Draw) -> Case:
    depth = draw(st.integers(2, 4))
    indices = np.random.default_rng(draw(st.integers(0, 99))).integers(0, depth, size=(2, 3)).astype(np.int64)
    hot = F.one_hot(torch.from_numpy(indices), depth)
    return Case(lambda v: torch.where(hot == 1, v[1], v[0]), [values(draw, [2])], {0: indices, 1: np.array(depth)})


def cumulated(draw: Draw) -> Case:
    x = values(draw, draw(shapes()))
    axis = draw(st.integers(0, x.ndim - 1))
    reverse, exclusive = draw(st.booleans()), draw(st.booleans())

    def function(x: torch.Tensor) -> torch.Tensor:
        turned = x.flip(axis) if reverse else x
        total = turned.cumsum(axis) - (turned if exclusive else 0.0)
        return total.flip(axis) if reverse else total

    attributes = {"reverse": int(reverse), "exclusive": int(exclusive)}
    return Case(function, [x], {1: np.array(axis, np.int64)}, attributes)


def reversed_sequence(draw: Draw) -> Case:
    time, batch = draw(st.integers(2, 4)), draw(st.integers(1, 3))
    lengths = [draw(st.integers(1, time)) for _ in range(batch)]

    def function(x: torch.Tensor) -> torch.Tensor:
        columns = [torch.cat([x[:n, i].flip(0), x[n:, i]]) for i, n in enumerate(lengths)]
        return torch.stack(columns, dim=1)

    return Case(function, [values(draw, [time, batch, 2])], {1: ints(*lengths)}, {"time_axis": 0, "batch_axis": 1})


def triangle(draw: Draw) -> Case:
    upper, k = draw(st.booleans()), draw(st.integers(-2, 2))
    function = torch.triu if upper else torch.tril
    x = values(draw, draw(shapes(2, 3)))
    return Case(lambda x: function(x, k), [x], {1: np.array(k, np.int64)}, {"upper": int(upper)})


def best(draw: Draw) -> Case:
    """Values and indices; the indices have no derivative."""
    x = values(draw, [draw(st.integers(1, 3)), draw(st.integers(2, 5))])
    k = draw(st.integers(1, 2))
    return Case(lambda x: x.topk(k, dim=1).values, [x], {1: ints(k)}, {"axis": 1}, outputs=2)


CASES: dict[str, Callable[[Draw], Case]] = {
    "Concat": concat,
    "CumSum": cumulated,
    "DepthToSpace": depth_to_space,
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "OneHot": one_hot,
    "Pad": pad,
    "Reshape": reshape,
    "ReverseSequence": reversed_sequence,
    "ScatterElements": scatter,
    "ScatterND": scatter_nd,
    "Slice": sliced,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Squeeze": squeeze,
    "Tile": tile,
    "TopK": best,
    "Transpose": transpose,
    "Trilu": triangle,
    "Unsqueeze": unsqueeze,
}
