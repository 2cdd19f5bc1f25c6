"""Computational optical form measurement: the topography of an asphere from optical path differences.

After Hoffmann, Fortmeier & Elster 2021 (Deep learning for tilted-wave interferometry,
arXiv 2103.01259). `surface` is the specimen, `interferometer` the instrument by ray geometry,
`topographies` what specimens deviate by, `population` what counts as a usual measurement, `linear`
the conventional evaluation, `network` the U-shaped networks that take its place.
"""

from pathlib import Path

BUNDLE = Path(__file__).with_name("form.onnx")
"""The shipped bundle, made by `python -m fisherlens.models.form.publish`."""
