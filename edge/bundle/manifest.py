"""The bundle's manifest, which stands in the ONNX file's metadata beside the graph."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

METADATA_KEY = "fisherlens.manifest"
GOLDEN_KEY = "fisherlens.golden"
CALIBRATION_KEY = "fisherlens.calibration"
FORMAT = 2
"""Version of the contract between file and runtime."""

Combination = Literal["each", "together", "cascade"]
"""How several checks flag: each with its share of alpha (Bonferroni), one statistic of all of them, or a cascade: one
that computes those that take a derivative on doubtful images alone."""


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The frames that are accepted, and the way from a frame's pixels to the graph's `image`.

    modality, rows, columns, bits_stored: what a frame must be (DICOM keywords); null accepts any.
    presentation_intent_type, pixel_intensity_relationship: what a DICOM frame must state (keywords), "FOR PROCESSING"
    and "LIN" say; null accepts any.
    pixel_spacing: smallest and largest side of a pixel on the detector, in mm, which a frame must state; null accepts
    any.
    samples_per_pixel: channels, C of the graph's [1, C, H, W].
    photometric_interpretation: what the numbers mean. MONOCHROME1 (the lowest is white) or MONOCHROME2 (the lowest is
    black) turns frames of the other kind round within their stored range; RGB takes colour, red first. null, in
    bundles of before, leaves pixels as they are, and refuses MONOCHROME1.
    crop: rows and columns cut from the middle of the frame, null for all of it.
    resize: rows and columns that the crop is resampled to by area averaging, null for none.
    offset, scale: image = (pixel - offset) * scale.
    """

    modality: str | None = None
    rows: int | None = None
    columns: int | None = None
    bits_stored: int | None = None
    pixel_spacing: tuple[float, float] | None = None
    samples_per_pixel: int = 1
    photometric_interpretation: Literal["MONOCHROME1", "MONOCHROME2", "RGB"] | None = None
    presentation_intent_type: str | None = None
    pixel_intensity_relationship: str | None = None
    crop: tuple[int, int] | None = None
    resize: tuple[int, int] | None = None
    offset: float = 0.0
    scale: float = 1.0


class Measurand(msgspec.Struct, frozen=True, kw_only=True):
    """One measured quantity, in the order of the graph's `value`. unit: UCUM code, "1" for none."""

    name: str
    unit: str


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """The coverage factors of the expanded uncertainty U = k u, and how they were found.

    factors: k for each measurand. basis: "conformal", split conformal calibration on
    `calibration_size` images with known values.
    """

    probability: float
    factors: tuple[float, ...]
    basis: Literal["conformal"]
    calibration_size: int


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """Features that stand side by side in the graph's `deviation`: the same quantity, in words, of so many channels of
    a layer or groups of them."""

    layer: str
    quantity: str
    count: int


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check, in the order of the graph's `statistic` and `p_value`: it flags where the p-value
    is at or below alpha. calibration_size: usual images that the p-value counts over. meaning: what is said of an
    image that is flagged, behind the check's name. flags: whether it flags, or is shown only. watched: the features
    that it rests on, of all checks one after the other in the graph's `deviation`.
    """

    name: str
    alpha: float
    calibration_size: int
    meaning: str = ""
    flags: bool = True
    watched: tuple[Watched, ...] = ()

    def __post_init__(self) -> None:
        """Fill in what manifests of before do not say: their words stood on the device, and an alpha of 0 meant a
        check that is shown only."""
        if not self.meaning:
            msgspec.structs.force_setattr(self, "meaning", _MEANINGS_BEFORE.get(self.name, "unusual"))
        if self.alpha == 0.0:
            msgspec.structs.force_setattr(self, "flags", False)


_MEANINGS_BEFORE = {
    "fisher_trace": "Fisher information is larger than on nearly all usual images",
    "fisher_profile": "Fisher information is spread over the network's layers as on hardly any usual image",
    "fisher_form": "the prediction's entropy depends on the parameters as on hardly any usual image",
    "largest_eigenvalue": "a small change of the image changes the result as on hardly any usual image",
    "ensemble_disagreement": "the networks of the ensemble disagree as on hardly any usual image",
    "combined": "the checks together are as far from usual as on hardly any usual image",
}


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of the usual images that the p-values count over, for each check by name; and for checks that
    watch features the smallest and the largest deviation of each on these images. Under CALIBRATION_KEY in the file's
    metadata."""

    statistics: dict[str, list[float]]
    ranges: dict[str, list[tuple[float, float]]] = {}


class Map(msgspec.Struct, frozen=True, kw_only=True):
    """The compact map: `rows` x `columns` cells of `cell` x `cell` pixels of the graph's image, from
    the top left; uint8 codes from map_range[0] (0) to map_range[1] (255)."""

    kind: str
    quantity: str
    cell: int
    rows: int
    columns: int


class Fisher(msgspec.Struct, frozen=True, kw_only=True):
    """The way in which the Fisher quantities are computed: score factors exactly, or by fixed random probes."""

    exact: bool
    passes: int
    layers: tuple[str, ...]


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """A cascade: the first checks of every image, the closer ones of so large a share of usual images, which the first
    find doubtful.

    cost: of an image on average, as a multiple of the forward pass on the exporting machine, one thread; worst_cost:
    of one that is doubtful. power: share of perturbed images flagged at the bundle's alpha. auroc: area under the ROC
    curve of perturbed against usual images.
    """

    first: tuple[str, ...] = ("fisher_profile",)
    closer: tuple[str, ...] = ()
    doubtful: float = 1.0
    cost: float
    worst_cost: float = math.nan
    power: float
    auroc: float

    def __post_init__(self) -> None:
        """Fill in what manifests of before do not say, whose one check was computed of every image."""
        if math.isnan(self.worst_cost):
            msgspec.structs.force_setattr(self, "worst_cost", self.cost)


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The limit on what checks may cost on average, and what that gave up: the chosen design, and the best one that was
    seen at any cost. Both were measured on so many `images` with a stand-in perturbation."""

    limit: float
    chosen: Design
    best: Design
    perturbation: str
    images: int


class InputNoise(msgspec.Struct, frozen=True, kw_only=True):
    """The uncertainty that the graph takes the image to have: variance constant^2 + proportional x per pixel,
    in its unit; propagated to first order, or by so many stored draws."""

    constant: float
    proportional: float
    correlated: bool
    method: Literal["first order", "draws"]
    draws: int | None


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """Worst difference between the framework and the bundle over the calibration images.

    absolute and relative are of the network's own outputs; relative is to the output's largest
    magnitude over the images.
    """

    framework: str
    images: int
    absolute: float
    relative: float
    tolerance: float


class Recalibration(msgspec.Struct, frozen=True, kw_only=True):
    """The note that the p-values count over usual images of one site. of: digest of the bundle that was
    recalibrated. source: where the images are from, in words."""

    of: str
    images: int
    created: str
    source: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a runtime, in any language, must know beside the graph."""

    format: int
    name: str
    version: str
    created: str
    head: str
    members: int
    input: Input
    measurands: tuple[Measurand, ...] = ()
    classes: tuple[str, ...] = ()
    temperature: float | None = None
    input_noise: InputNoise | None = None
    coverage: Coverage | None = None
    alpha: float
    checks: tuple[Check, ...]
    map: Map
    fisher: Fisher
    budget: Budget | None = None
    recalibration: Recalibration | None = None
    parity: Parity
    software: dict[str, str]
