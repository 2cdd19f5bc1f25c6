"""What GDCM, DCMTK and imagecodecs make of a DICOM file; each gives frames, or says in words why not."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from .answers import Frames, NoAnswer, Oracle
from .meaning import Words, from_ybr, kept_bits, through_palette


def by_gdcm(path: Path) -> Frames:
    """Let GDCM parse and decode; pydicom gives the palette alone."""
    import gdcm

    elements = pydicom.dcmread(path, stop_before_pixels=True)
    for silent in (gdcm.Trace.DebugOff, gdcm.Trace.WarningOff, gdcm.Trace.ErrorOff):
        silent()
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        raise NoAnswer("it does not read the file")
    image = reader.GetImage()
    form = image.GetPixelFormat()
    dimensions = [image.GetDimension(axis) for axis in range(image.GetNumberOfDimensions())]
    bits = form.GetBitsAllocated()
    if bits not in (8, 16, 32):
        raise NoAnswer(f"its bits allocated are {bits}")
    data = image.GetBuffer().encode("utf-8", "surrogateescape")
    frames = dimensions[2] if len(dimensions) > 2 else 1
    photometric = str(image.GetPhotometricInterpretation())
    samples = form.GetSamplesPerPixel()
    words = np.frombuffer(data, f"u{bits // 8}")
    if words.size != frames * dimensions[1] * dimensions[0] * samples:
        raise NoAnswer(f"its buffer has {words.size} words")
    stack = _stacked(words, (frames, dimensions[1], dimensions[0]), samples, image.GetPlanarConfiguration())
    kept = kept_bits(stack, form.GetBitsStored(), form.GetHighBit(), bool(form.GetPixelRepresentation()))
    return _meant(kept, photometric, elements)


def by_dcmtk(path: Path) -> Frames:
    """Let DCMTK decode into a file that is not compressed, whose words numpy reads."""
    elements = pydicom.dcmread(path, stop_before_pixels=True)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.dcm"
        tool = _tool(elements)
        done = subprocess.run([*tool, str(path), str(plain)], capture_output=True, text=True, check=False, timeout=60)
        if done.returncode or not plain.is_file():
            raise NoAnswer(f"{tool[0]}: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}")
        return by_numpy(plain)


def by_numpy(path: Path) -> Frames:
    """Take the words as they lie in the file; pydicom finds them."""
    elements = pydicom.dcmread(path)
    if elements.file_meta.TransferSyntaxUID.is_encapsulated:
        raise NoAnswer("compressed")
    for keyword, kind in (("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")):
        if keyword in elements:
            shape = (int(elements.get("NumberOfFrames") or 1), elements.Rows, elements.Columns)
            return list(np.frombuffer(elements[keyword].value, f"<{kind}").reshape(shape))
    shape = (int(elements.get("NumberOfFrames") or 1), elements.Rows, elements.Columns)
    samples, bits = elements.SamplesPerPixel, elements.BitsAllocated
    count = int(np.prod(shape)) * samples
    order = "<" if elements.original_encoding[1] else ">"
    data = elements.PixelData
    if bits > 8 and order == ">" and elements["PixelData"].VR == "OB":
        order = "<"  # bytes are as they come
    if bits == 1:
        words: Words = np.unpackbits(np.frombuffer(data, "u1"), bitorder="little", count=count)
    elif elements.PhotometricInterpretation == "YBR_FULL_422":
        words = _spread(np.frombuffer(data, "u1", count * 2 // 3))
    else:
        words = np.frombuffer(data, f"{order}u{bits // 8}", count)
    stack = _stacked(words, shape, samples, elements.get("PlanarConfiguration", 0))
    kept = kept_bits(stack, elements.BitsStored, elements.HighBit, bool(elements.PixelRepresentation))
    return _meant(kept, elements.PhotometricInterpretation, elements)


def by_imagecodecs(path: Path) -> Frames:
    """Let imagecodecs decode the streams that pydicom takes out of their capsules."""
    elements = pydicom.dcmread(path)
    syntax = elements.file_meta.TransferSyntaxUID
    decode = _codec(syntax)
    count = int(elements.get("NumberOfFrames") or 1)
    frames = []
    for stream in generate_frames(elements.PixelData, number_of_frames=count):
        try:
            words = decode(stream)
        except Exception as error:
            raise NoAnswer(" ".join(str(error).split())[:80]) from None
        unsigned = words.view(f"u{words.dtype.itemsize}")
        kept = kept_bits(unsigned, elements.BitsStored, elements.BitsStored - 1, bool(elements.PixelRepresentation))
        grey = elements.SamplesPerPixel == 1
        frames += _meant(kept[None], elements.PhotometricInterpretation if grey else "RGB", elements)
    return frames


def dicom_oracles() -> list[Oracle]:
    """List the oracles that are installed with their versions, the strongest first."""
    found = [
        Oracle(f"imagecodecs {imagecodecs.__version__}", by_imagecodecs),
        Oracle(f"numpy {np.__version__}, pydicom {pydicom.__version__}", by_numpy),
    ]
    if which("dcmdjpeg"):
        tool = subprocess.run(["dcmdjpeg", "--version"], capture_output=True, text=True, check=True).stdout.split()
        found.insert(0, Oracle(f"dcmtk {tool[2].removeprefix('v')}", by_dcmtk))
    if find_spec("gdcm"):
        import gdcm

        found.insert(0, Oracle(f"gdcm {gdcm.Version.GetVersion()}", by_gdcm, is_apart=True))
    return found


def _tool(elements: Dataset) -> list[str]:
    syntax = elements.file_meta.TransferSyntaxUID
    if syntax in JPEGLSTransferSyntaxes:
        return ["dcmdjpls"]
    if syntax in JPEGTransferSyntaxes:
        return ["dcmdjpeg", "+px"]
    if syntax == RLELossless:
        return ["dcmdrle"]
    if not syntax.is_encapsulated or syntax == DeflatedExplicitVRLittleEndian:
        return ["dcmconv", "+te"]
    raise NoAnswer(f"it has no decoder of {syntax.name}")


def _codec(syntax: str) -> Callable[[bytes], Words]:
    if syntax in JPEGLSTransferSyntaxes:
        return imagecodecs.jpegls_decode
    if syntax in JPEGTransferSyntaxes:
        return imagecodecs.jpeg_decode
    if syntax in JPEG2000TransferSyntaxes:
        return imagecodecs.jpeg2k_decode
    raise NoAnswer("it has no decoder of the transfer syntax")


def _stacked(words: Words, shape: tuple[int, ...], samples: int, planar: int) -> Words:
    if samples == 1:
        return words.reshape(shape)
    frames, rows, columns = shape
    if planar:
        return words.reshape(frames, samples, rows, columns).transpose(0, 2, 3, 1)
    return words.reshape(frames, rows, columns, samples)


def _spread(words: Words) -> Words:
    """Y, Y, Cb, Cr of two pixels to three samples each (PS3.3 C.7.6.3.1.2)."""
    pairs = words.reshape(-1, 4)
    return np.stack([pairs[:, 0], pairs[:, 2], pairs[:, 3], pairs[:, 1], pairs[:, 2], pairs[:, 3]], axis=1).ravel()


def _meant(stack: Words, photometric: str, elements: Dataset) -> Frames:
    if photometric.startswith("YBR_FULL"):
        stack = from_ybr(stack)
    elif photometric.startswith("PALETTE"):
        stack = through_palette(stack, elements)
    return list(stack)
