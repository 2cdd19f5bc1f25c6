"""Explanation maps: what in the image a result rests on. One entry a kind."""

from __future__ import annotations

from functools import partial

from .grad_cam import grad_cam
from .integrated import integrated_gradients, oriented_integrated_gradients
from .kind import MapKind
from .squares import eigen_component, fisher_map, gradient, input_sensitivity

MAPS: dict[str, MapKind] = {
    "fisher": MapKind(fisher_map, "root mean square", "root mean Fisher information per pixel, 1/image unit"),
    "gradient": MapKind(gradient, "root mean square", "root mean square derivative of the target, 1/image unit"),
    "eigen": MapKind(
        eigen_component, "root mean square", "root mean square of the leading eigenvector times root eigenvalue"
    ),
    "fisher_sensitivity": MapKind(
        input_sensitivity, "mean", "mean magnitude of the Fisher form's derivative, 1/image unit"
    ),
    "integrated_gradients": MapKind(integrated_gradients, "mean", "mean contribution to the target per pixel"),
    "integrated_gradients_raising": MapKind(
        partial(oriented_integrated_gradients, raising=True), "mean", "mean contribution that raises the target"
    ),
    "integrated_gradients_lowering": MapKind(
        partial(oriented_integrated_gradients, raising=False), "mean", "mean contribution that lowers the target"
    ),
    "grad_cam": MapKind(grad_cam, "mean", "activation of the last convolution, weighted by the target's derivative"),
}

__all__ = ["MAPS", "MapKind"]
