"""The record of one verdict: what is printed, kept and delivered."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec

SCHEMA_VERSION = 5


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One measurand's result (JCGM 100): value, standard uncertainty u with its parts, aleatoric,
    epistemic and from the input's own uncertainty (u^2 is the sum of their squares), and U =
    coverage_factor * u at coverage_probability, all in `unit` (UCUM). low, high: the interval that covers
    at that probability; value -+ U, but for heads that know of skewness. text: as 7.2.2 of the GUM
    writes it."""

    name: str
    unit: str
    value: float
    u_aleatoric: float
    u_epistemic: float
    u_input: float
    u: float
    coverage_factor: float
    coverage_probability: float
    U: float
    low: float
    high: float
    text: str


class ResultImage(msgspec.Struct, frozen=True, kw_only=True):
    """One measurand's result for each pixel of an image, as `Result` for a single one. The fields of
    bytes are float32, little-endian, in row order [rows, columns], in base64 in JSON."""

    name: str
    unit: str
    rows: int
    columns: int
    value: bytes
    u_aleatoric: bytes
    u_epistemic: bytes
    u_input: bytes
    u: bytes
    low: bytes
    high: bytes
    coverage_factor: float
    coverage_probability: float


class ClassProbability(msgspec.Struct, frozen=True, kw_only=True):
    """One class's calibrated probability; of an image of classes its average over the pixels, the
    share of the image that the class is expected to take."""

    name: str
    probability: float


class ClassImage(msgspec.Struct, frozen=True, kw_only=True):
    """The most probable class of each pixel, its number as uint8 [rows, columns], and its probability,
    float32 little-endian; both in row order, in base64 in JSON."""

    rows: int
    columns: int
    classes: bytes
    probability: bytes


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A feature by which an image is unusual: `quantity` of a channel of `layer`, as the bundle's manifest calls them.

    channel: from 1, of so many `channels`; of a layer with more of them a group, `channel` and every `channels`-th
    behind it. deviation: from what is usual given the prediction, in standard deviations; null where it is no finite
    number. low, high: the smallest and the largest deviation on usual images. text: all of this in words, with members
    and layers counted from 1.
    """

    layer: str
    quantity: str
    channel: int
    channels: int
    deviation: float | None
    low: float
    high: float
    text: str


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """One check: flagged where p_value <= alpha. statistic is null where it is no finite number. evidence: of a check
    that flagged, the features furthest outside of usual images' range, or where each is inside the furthest from zero;
    empty for other checks, of bundles that watch none, and in records of before."""

    name: str
    statistic: float | None
    p_value: float
    alpha: float
    flagged: bool
    evidence: list[Evidence] = []


class CompactMap(msgspec.Struct, frozen=True, kw_only=True):
    """The map of where the network looked: uint8 codes in row order, in base64 in JSON. A cell is `cell` x
    `cell` pixels of the network's image; its value is low + code / 255 (high - low)."""

    kind: str
    quantity: str
    cell: int
    rows: int
    columns: int
    low: float
    high: float
    codes: bytes


class BundleReference(msgspec.Struct, frozen=True, kw_only=True):
    """The bundle that gave a verdict: its name, version and the digest of its file."""

    name: str
    version: str
    digest: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of one frame.

    outcome: accepted (measured, nothing unusual), flagged (measured, but a check says that the input
    is unusual) or refused (not measured). reasons: in words, empty if accepted. frame: from 1.
    input_digest: of the file's or array's bytes; null where they could not be read. created: UTC,
    ISO 8601. entropy: of the class probabilities, in nats; mutual_information: the part of it by which
    the members of an ensemble disagree, in nats; of an image of classes their means over the pixels, null
    where no classes are told. lossy_image_compression: whether the image was compressed with loss, as its file says (a
    JPEG; DICOM LossyImageCompression); null where it does not. Every field is there whatever the outcome, but this last
    one and the evidence of checks in records of before.
    """

    schema: int
    outcome: Literal["accepted", "flagged", "refused"]
    reasons: list[str]
    source: str
    frame: int
    input_digest: str | None
    bundle: BundleReference
    software: str
    created: str
    results: list[Result]
    result_images: list[ResultImage]
    probabilities: list[ClassProbability]
    entropy: float | None
    mutual_information: float | None
    class_image: ClassImage | None
    checks: list[CheckResult]
    map: CompactMap | None
    lossy_image_compression: bool | None = None


def json_schema() -> dict[str, Any]:
    """Make the JSON Schema (2020-12) of a verdict as `fisherlens score --json` prints it."""
    schema = msgspec.json.schema(Verdict)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Fisherlens verdict", **schema}


def gum_text(value: float, u: float, unit: str, factor: float, probability: float) -> str:
    """Write a result with its expanded uncertainty as the GUM does: U to two significant digits, the
    value to the same decimal (JCGM 100, 7.2.2 to 7.2.6)."""
    expanded = factor * u
    if not (math.isfinite(value) and math.isfinite(expanded) and expanded > 0):
        return f"{value} ± {expanded} {unit}"
    decimals = 1 - math.floor(math.log10(float(f"{expanded:.1e}")))
    digits = max(0, decimals)
    shown = "" if unit == "1" else f" {unit}"
    value, expanded = round(value, decimals), round(expanded, decimals)
    return f"({value:.{digits}f} ± {expanded:.{digits}f}){shown}, k = {factor:.2f}, {100 * probability:g} %"
