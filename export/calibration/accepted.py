"""The demands of a bundle on frames: as the command was told, or what all calibration images have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

import msgspec

from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.preprocess import check_header
from fisherlens.edge.reading import Header

from ..errors import CalibrationError
from .attributes import Attribute, Seen, attribute
from .images import Folder

Photometric = Literal["MONOCHROME1", "MONOCHROME2", "RGB"]
PHOTOMETRIC: tuple[Photometric, ...] = ("MONOCHROME1", "MONOCHROME2", "RGB")
"""Photometric interpretations that a manifest can state."""

ANY: Literal["any"] = "any"
"""What an option says for an attribute that is not demanded, though all images may agree in it."""


class InputOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The command's options of the frames to accept, and of their way to the graph's image, named as in the manifest's
    Input. None: by the images; ANY: not demanded. any_size: rows and columns are not demanded."""

    modality: str | None = None
    any_size: bool = False
    bits_stored: int | Literal["any"] | None = None
    photometric_interpretation: Photometric | None = None
    pixel_spacing: tuple[float, float] | None = None
    presentation_intent_type: str | None = None
    pixel_intensity_relationship: str | None = None
    crop: tuple[int, int] | None = None
    resize: tuple[int, int] | None = None
    offset: float = 0.0
    scale: float | None = None


@dataclass(frozen=True)
class Accepted:
    """The manifest's Input, and how each of its attributes was found."""

    input: Input
    attributes: tuple[Attribute[Any], ...]


def accepted(folder: Folder, options: InputOptions) -> Accepted:
    """Derive what a frame must be: what the options say, else what all images of the folder state and agree in.

    Raises CalibrationError, naming a file, for images that do not meet that, and for images that no one graph can
    take: grey and colour, of several sizes without resize or crop, of several bits without bits or scale.
    """
    samples = _samples(folder)
    modality = _code(folder, "modality", options.modality)
    size = _size(folder, options)
    bits, scale = _bits(folder, options), _scale(folder, options)
    photometric = _photometric(folder, options.photometric_interpretation, samples)
    spacing = _pixel_spacing(folder, options.pixel_spacing)
    intent = _code(folder, "presentation_intent_type", options.presentation_intent_type)
    relationship = _code(folder, "pixel_intensity_relationship", options.pixel_intensity_relationship)
    rows, columns = size.value or (None, None)
    expected = Input(
        modality=modality.value,
        rows=rows,
        columns=columns,
        bits_stored=bits.value,
        pixel_spacing=spacing.value,
        samples_per_pixel=samples,
        photometric_interpretation=photometric.value,
        presentation_intent_type=intent.value,
        pixel_intensity_relationship=relationship.value,
        crop=options.crop,
        resize=options.resize,
        offset=options.offset,
        scale=scale.value,
    )
    _require_all(folder, expected)
    return Accepted(expected, (modality, size, bits, scale, photometric, spacing, intent, relationship))


def default_photometric(headers: Sequence[Header]) -> Photometric | None:
    """Give the photometric interpretation that is likely meant by images of which none states one, else None."""
    if any(header.photometric_interpretation for header in headers):
        return None
    return _likely(headers[0].samples_per_pixel)


def _likely(samples: int) -> Photometric:
    return "RGB" if samples == 3 else "MONOCHROME2"


def _code(folder: Folder, keyword: str, option: str | None) -> Attribute[str | None]:
    """An attribute whose value is a code string of DICOM."""
    seen: Seen[str] = Seen.of(folder, attrgetter(keyword))
    return attribute(keyword.replace("_", " "), seen, None if option == ANY else option, option == ANY)


def _samples(folder: Folder) -> int:
    seen: Seen[int] = Seen.of(folder, attrgetter("samples_per_pixel"))
    if seen.common is None:
        raise CalibrationError(
            f"calibration images differ in samples per pixel: {seen.named()}; expected all grey or all colour. "
            "Remove or convert those of one kind."
        )
    return seen.common


def _size(folder: Folder, options: InputOptions) -> Attribute[tuple[int, int] | None]:
    seen: Seen[tuple[int, int]] = Seen.of(
        folder, lambda header: (header.rows, header.columns), lambda size: f"{size[0]} x {size[1]}"
    )
    if not (options.crop or options.resize):
        if seen.common is None:
            raise CalibrationError(
                f"calibration images differ in size: {seen.named()}; the network takes one. "
                "Give --resize ROWS COLUMNS, or --crop ROWS COLUMNS that all are large enough for."
            )
        if options.any_size:
            raise CalibrationError(
                "frames of any size, and the network takes one. Give --resize ROWS COLUMNS or --crop ROWS COLUMNS "
                "with --any-size."
            )
    return attribute("size", seen, None, options.any_size)


def _seen_bits(folder: Folder) -> Seen[int]:
    """Bits of a sample, of which the container's count where its format states no others; 0 for floating point."""
    return Seen.of(
        folder,
        lambda header: header.bits_stored or header.bits_allocated or 0,
        lambda bits: f"{bits} bit" if bits else "floating point",
    )


def _bits(folder: Folder, options: InputOptions) -> Attribute[int | None]:
    seen, told = _seen_bits(folder), None if options.bits_stored == ANY else options.bits_stored
    if told is None and seen.common == 0:
        return Attribute("bits stored", None, "not demanded", seen.counted())
    return attribute("bits stored", seen, told, options.bits_stored == ANY)


def _scale(folder: Folder, options: InputOptions) -> Attribute[float]:
    """As told, or that which takes the largest stored value to 1."""
    if options.scale is not None:
        return Attribute("scale", options.scale, f"{options.scale:g}", "option")
    seen = _seen_bits(folder)
    bits = seen.common if options.bits_stored in (None, ANY) else options.bits_stored
    if not isinstance(bits, int):
        raise CalibrationError(
            f"calibration images differ in bits: {seen.named()} (of PNG, TIFF and .npy those of the container); "
            "pixels are scaled by 1 / (2^bits - 1). Give --scale, for frames of any bits, or --bits for those of one "
            "kind, and remove the others."
        )
    if not bits:
        return Attribute("scale", 1.0, "1", "floating point")
    return Attribute("scale", 1.0 / (2**bits - 1), f"1 / {2**bits - 1}", f"of {bits} bit")


def _photometric(folder: Folder, told: Photometric | None, samples: int) -> Attribute[Photometric]:
    """What the numbers mean, which a manifest always states: where images differ, one of them; where none says, that
    which is likely. Images that cannot be turned into it are refused with all others that do not fit."""
    if told == "RGB" and samples != 3:
        raise CalibrationError(
            f"--photometric RGB with images of samples per pixel {samples}, expected 3. "
            "Give MONOCHROME1 (the lowest value is white) or MONOCHROME2 (the lowest value is black)."
        )
    seen: Seen[str] = Seen.of(folder, attrgetter("photometric_interpretation"))
    stated = [value for value in PHOTOMETRIC if value in seen.files]
    value = told or (stated[0] if len(stated) == 1 else _likely(samples))
    origin = seen.counted() if told or seen.common is None else f"all {len(folder.paths)} images"
    if told:
        origin = f"as told; {origin}"
    elif not stated:
        origin += "; taken, where --photometric says no other"
    elif len(seen.files) > 1:
        origin = f"mixed: {origin}"
    turned = {"MONOCHROME1", "MONOCHROME2"} - {value} if value != "RGB" else set()
    count = sum(len(seen.files.get(kind, [])) for kind in turned)
    return Attribute(
        "photometric interpretation", value, value, origin + (f"; {count} are turned round" if count else "")
    )


def _pixel_spacing(folder: Folder, told: tuple[float, float] | None) -> Attribute[tuple[float, float] | None]:
    """The limits as told, beside the range of the images."""
    stated = [header.pixel_spacing for header in folder.headers if header.pixel_spacing is not None]
    seen = f"{_range(stated)} in {len(stated)}" if stated else "no image states it"
    if stated and len(stated) < len(folder.headers):
        seen += f", not stated in {len(folder.headers) - len(stated)}"
    if told is None:
        return Attribute("pixel spacing", None, "not demanded", seen)
    return Attribute("pixel spacing", told, _range(told), f"option; {seen}")


def _range(numbers: Sequence[float]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:g} mm" if low == high else f"{low:g} to {high:g} mm"


def _require_all(folder: Folder, expected: Input) -> None:
    """Refuse images that the bundle would refuse."""
    refused = []
    for path, header in zip(folder.paths, folder.headers, strict=True):
        try:
            check_header(header, expected)
        except ImageRefused as refusal:
            refused.append(f"calibration image {path}: {refusal}")
    if refused:
        others = f" ({len(refused)} of {len(folder.paths)} images do not fit)" if len(refused) > 1 else ""
        raise CalibrationError(f"{refused[0]}{others}. Remove or replace the file, or demand something else.")
