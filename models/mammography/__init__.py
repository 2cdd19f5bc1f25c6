"""Mammography image quality: the contrast-detail curve read off a single simulated image.

After Kretz et al. 2020 (Mammography image quality assurance using deep learning,
IEEE Trans. Biomed. Eng. 67) and Faller et al. 2023, who train networks on simulated images of
the CDMAM contrast-detail phantom. `phantom` is the object, `acquisition` the physics of one
exposure, `observer` the ground truth, `dicom` the file format, `population` what counts as usual.
"""

from pathlib import Path

BUNDLE = Path(__file__).with_name("mammography.onnx")
"""The shipped bundle, made by `python -m fisherlens.models.mammography.publish`."""
