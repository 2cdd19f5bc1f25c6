"""The image pixel module (PS3.3 C.7.6.3): how the pixels are stored."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import ImageRefused
from ..frame import MAX_PIXELS
from .attributes import Attributes

MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
PALETTE = "PALETTE COLOR"
_FLOAT_BITS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}


@dataclass(frozen=True)
class ImagePixel:
    """The module's attributes by their keywords. bits_stored: of floating pixels all. frames: NumberOfFrames."""

    rows: int
    columns: int
    samples_per_pixel: int
    photometric_interpretation: str
    planar_configuration: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    frames: int
    is_float: bool

    @property
    def byte_count(self) -> int:
        """Bytes of all frames where they are not compressed; YBR_FULL_422 has two samples a pixel (PS3.5 8.2)."""
        samples = 2 if self.photometric_interpretation == "YBR_FULL_422" else self.samples_per_pixel
        return -(-self.rows * self.columns * samples * self.frames * self.bits_allocated // 8)


def image_pixel_of(attributes: Attributes, pixel_keyword: str) -> ImagePixel:
    """Read and check the module. Raises ImageRefused for what is absent, impossible or contradictory."""
    required = ["Rows", "Columns", "BitsAllocated", "PhotometricInterpretation"]
    if pixel_keyword not in _FLOAT_BITS:
        required += ["BitsStored", "PixelRepresentation"]
    missing = [keyword for keyword in required if attributes.text(keyword) is None]
    if missing:
        raise ImageRefused(f"DICOM file without {', '.join(missing)}, expected an image")
    allocated = _whole(attributes, "BitsAllocated")
    stored = _whole(attributes, "BitsStored", allocated)
    frames = attributes.whole("NumberOfFrames")
    module = ImagePixel(
        rows=_whole(attributes, "Rows"),
        columns=_whole(attributes, "Columns"),
        samples_per_pixel=_whole(attributes, "SamplesPerPixel", 1),
        photometric_interpretation=attributes.text("PhotometricInterpretation") or "",
        planar_configuration=_whole(attributes, "PlanarConfiguration", 0),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=_whole(attributes, "HighBit", stored - 1),
        pixel_representation=_whole(attributes, "PixelRepresentation", 0),
        frames=1 if frames is None else frames,
        is_float=pixel_keyword in _FLOAT_BITS,
    )
    _check_size(module)
    _check_bits(module, _FLOAT_BITS.get(pixel_keyword))
    _check_samples(module)
    return module


def _whole(attributes: Attributes, keyword: str, default: int = 0) -> int:
    value = attributes.whole(keyword)
    return default if value is None else value


def _check_size(module: ImagePixel) -> None:
    rows, columns = module.rows, module.columns
    if rows < 1 or columns < 1 or module.frames < 1:
        raise ImageRefused(f"{module.frames} frames of {rows} x {columns} pixels, expected some")
    if rows * columns > MAX_PIXELS:
        raise ImageRefused(f"{rows} x {columns} pixels are more than the {MAX_PIXELS} that a frame may have")


def _check_bits(module: ImagePixel, float_bits: int | None) -> None:
    allocated, stored, high = module.bits_allocated, module.bits_stored, module.high_bit
    if float_bits is not None:
        if allocated != float_bits:
            raise ImageRefused(f"BitsAllocated {allocated} with floating pixels, expected {float_bits}")
        return
    if not 1 <= stored <= allocated:
        raise ImageRefused(f"BitsStored {stored} with BitsAllocated {allocated}, expected 1 to {allocated}")
    if allocated not in (1, 8, 16, 32):
        raise ImageRefused(f"BitsAllocated {allocated}, expected 1, 8, 16 or 32")
    if not stored - 1 <= high < allocated:
        raise ImageRefused(f"HighBit {high} with BitsStored {stored}, expected {stored - 1}")
    if module.pixel_representation not in (0, 1):
        raise ImageRefused(f"PixelRepresentation {module.pixel_representation}, expected 0 or 1")


def _check_samples(module: ImagePixel) -> None:
    interpretation, samples = module.photometric_interpretation, module.samples_per_pixel
    if interpretation not in (*MONOCHROME, *COLOUR, PALETTE):
        expected = ", ".join((*MONOCHROME, *COLOUR))
        raise ImageRefused(f"PhotometricInterpretation {interpretation}, expected one of {expected} or {PALETTE}")
    wanted = 3 if interpretation in COLOUR else 1
    if samples != wanted:
        raise ImageRefused(f"SamplesPerPixel {samples} with {interpretation}, expected {wanted}")
    most = 8 if interpretation.startswith("YBR_FULL") else 16
    if interpretation not in MONOCHROME and module.bits_allocated > most:
        raise ImageRefused(f"BitsAllocated {module.bits_allocated} with {interpretation}, expected at most {most}")
    if module.planar_configuration not in (0, 1):
        raise ImageRefused(f"PlanarConfiguration {module.planar_configuration}, expected 0 or 1")
