"""Means and squares by groups of channels: finer than a whole layer, and where need be coarser than each channel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import onnx_ir as ir

from ..graph.tape import Tape, shape_of
from ..network.layers import Layer

CHOICES = (16, 8, 4, 2, 1)
"""Groups a layer that are chosen among. More than 16 told less on the networks of models/fashion."""

IMAGES_PER_FEATURE = 10
"""Fitting images that a profile should have for each of its features."""


def group_count(channels: int, most: int) -> int:
    """The largest number of equal groups up to `most`."""
    return max(count for count in range(1, min(channels, most) + 1) if channels % count == 0)


def squares_by_group(tape: Tape, values: Sequence[ir.Value], most: int) -> ir.Value:
    """Sum of squares of some values that have the same channels, for each group of them, [G]: the k-th
    group has the channels k, k + G, k + 2G, ...

    Channels are axis 1 of an image [N, C, H, W], the last axis of anything else.
    """
    terms = [_squares_by_group(tape, value, most) for value in values]
    return terms[0] if len(terms) == 1 else tape.Sum(*terms)


MOST_FEATURES = 4096
"""Features of a profile, at most: its whitening takes 64 floats each in the file."""


def groups_within(values: Sequence[ir.Value], most: int) -> int:
    """The most groups of channels, a power of two, with which so many values have at most `most` groups together."""
    channels = [shape_of(value)[_channel_axis(shape_of(value))] for value in values]
    limit = 2 ** (max(channels) - 1).bit_length()
    while limit > 1 and sum(group_count(count, limit) for count in channels) > most:
        limit //= 2
    return limit


def means_by_group(tape: Tape, values: Sequence[ir.Value], most: int) -> tuple[ir.Value, list[int]]:
    """The means of values over each group of their channels, side by side, [F], and how many each value has of them;
    channels and groups as `squares_by_group` has them."""
    means, counts = [], []
    for value in values:
        channels = shape_of(value)[_channel_axis(shape_of(value))]
        counts.append(group_count(channels, most))
        mean = _channel_means(tape, value)
        if counts[-1] < channels:
            folded = tape.Reshape(mean, [1, channels // counts[-1], counts[-1], 1])
            mean = tape.Transpose(tape.ReduceMean(folded, [1], keepdims=1), perm=[0, 2, 1, 3])
        means.append(mean)
    # What is pooled is put together in the layout in which convolutions run, which is left once for all of a run.
    parts: list[ir.Value] = []
    for pooled, run in groupby(means, _is_pooled):
        together = list(run)
        parts += [tape.Concat(*together, axis=1)] if pooled else together
    return tape.Reshape(tape.Concat(*parts, axis=1), [-1]), counts


def _is_pooled(mean: ir.Value) -> bool:
    producer = mean.producer()
    return producer is not None and producer.op_type == "GlobalAveragePool"


def _channel_means(tape: Tape, value: ir.Value) -> ir.Value:
    """[1, C, 1, 1]."""
    shape = shape_of(value)
    if len(shape) == 4 and shape[0] == 1:
        return tape.GlobalAveragePool(value)  # in the layout that convolutions run in, unlike a ReduceMean
    axis = _channel_axis(shape)
    others = [i for i in range(len(shape)) if i != axis]
    means = value if math.prod(shape) == shape[axis] else tape.ReduceMean(value, others, keepdims=0)
    return tape.Reshape(means, [1, shape[axis], 1, 1])


def _squares_by_group(tape: Tape, value: ir.Value, most: int) -> ir.Value:
    shape = shape_of(value)
    axis = _channel_axis(shape)
    groups = group_count(shape[axis], most)
    if groups == 1:
        return tape.Unsqueeze(tape.ReduceSumSquare(value, keepdims=0), [0])
    others = [i for i in range(len(shape)) if i != axis]
    per_channel = tape.ReduceSumSquare(value, others, keepdims=0)
    if groups == shape[axis]:
        return per_channel
    return tape.ReduceSum(tape.Reshape(per_channel, [-1, groups]), [0], keepdims=0)


def _channel_axis(shape: tuple[int, ...]) -> int:
    return 1 if len(shape) == 4 else len(shape) - 1


def profile_size(layers: Sequence[Layer], results: Sequence[ir.Value], most: int) -> int:
    """The number of features of a Fisher profile of everything."""

    def groups(value: ir.Value) -> int:
        shape = shape_of(value)
        return group_count(shape[_channel_axis(shape)], most)

    of_layers = sum(1 + groups(layer.uses[0].output) + groups(layer.uses[0].image) for layer in layers)
    return of_layers + sum(groups(result) for result in results)


def chosen_groups(layers: Sequence[Layer], results: Sequence[ir.Value], fitting: int) -> int:
    """The most groups of channels that so many fitting images allow."""
    sizes = {most: profile_size(layers, results, most) for most in CHOICES}
    return next((most for most, size in sizes.items() if size * IMAGES_PER_FEATURE <= fitting), 1)
