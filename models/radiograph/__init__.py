"""Normal or pneumonia on paediatric chest radiographs: a reference network of real images.

After Kermany, Goldbaum et al. 2018 (Identifying medical diagnoses and treatable diseases by image-based deep learning,
Cell 172). `dataset` finds the images and parts them by patient, `input` reads one as the device does, `network` and
`train` make the ensemble, `publish` its bundle, `evaluate` the figures of the model card.
"""

from pathlib import Path

BUNDLE = Path(__file__).with_name("radiograph.onnx")
"""The shipped bundle, made by `python -m fisherlens.models.radiograph.publish`."""

CLASSES = ("normal", "pneumonia")
SIDE = 224
"""Rows and columns of what the network reads."""
