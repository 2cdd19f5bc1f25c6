"""Why we differ, or refuse, and are right: each reason names the files or the words that it is about. What no reason
here explains is a fault, of ours or of this table."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reason:
    """A reason. files: pattern of the names of the files that it holds for. said: pattern of our refusal; None for
    differences. oracle: whose values may differ, at most by `bound`."""

    text: str
    files: str
    said: str | None = None
    oracle: str = ""
    bound: float = 0

    def explains_refusal(self, file: str, said: str) -> bool:
        """Say whether this is why we refuse a file with these words."""
        return self.said is not None and bool(re.search(self.files, file)) and bool(re.search(self.said, said))

    def explains_difference(self, file: str, oracle: str, difference: float) -> bool:
        """Say whether this is why an oracle's values are others."""
        there = self.said is None and bool(re.search(self.files, file))
        return there and bool(re.match(self.oracle, oracle)) and difference <= self.bound


def refusal_reason(file: str, said: str) -> Reason | None:
    """Find why we refuse a file that an oracle reads."""
    return next((known for known in REASONS if known.explains_refusal(file, said)), None)


def difference_reason(file: str, oracle: str, difference: float) -> Reason | None:
    """Find why an oracle's values are others than ours."""
    return next((known for known in REASONS if known.explains_difference(file, oracle, difference)), None)


_LOSS = "JPEG with loss: decoders' cosine transforms may differ by one (T.83), "

REASONS: tuple[Reason, ...] = (
    Reason(_LOSS + "as these do", r"^(JPEG-lossy|JPGExtended|SC_jpeg_no_color_transform(_2)?|SC_rgb_dcmtk_\+eb\+cr"
           r"|SC_rgb_jpeg(_app14_dcmd)?)\.dcm$", oracle="gdcm|dcmtk|imagecodecs", bound=1),
    Reason(_LOSS + "in Y, Cb and Cr, which is up to 2 in red, green and blue",
           r"^SC_rgb_(dcmtk_\+eb\+cy\+n[1p]|jpeg_lossy_gdcm)\.dcm$", oracle="gdcm|dcmtk|imagecodecs", bound=2),
    Reason(_LOSS + "chroma of half the width is interpolated, and both become up to 5 in red, green and blue",
           r"^(examples_ybr_color|color3d_jpeg_baseline)\.dcm$", oracle="gdcm|dcmtk|imagecodecs", bound=5),
    Reason("GDCM 3 mixes up the byte planes of run-length coded colours of 16 bit; DCMTK does not",
           r"^SC_rgb_rle_16bit(_2frame)?\.dcm$", oracle="gdcm", bound=np.inf),
    Reason("the delimiter behind the last frame is missing, which others need; the frames are emri_small.dcm's",
           r"^emri_small_jpeg_2k_lossless_too_short\.dcm$", oracle="none"),
    Reason("bytes that the header does not tell of may be a frame, or the header another image's",
           r"^MR_small_padded\.dcm$", said="^PixelData of 8,320 bytes, expected 8,192 "),
    Reason("'1A' is no number of frames; GDCM takes the first", r"^badVR\.dcm$", said="^NumberOfFrames is no number"),
    Reason("in big endian, samples of 32 bit are two words (DCMTK, GDCM) or one (pydicom): nothing tells which",
           r"_expb(_\w+)?\.dcm$", said="^BitsAllocated 32 in Explicit VR Big Endian"),
    Reason("colours of 32 bit a sample: no display or network has such", r"^SC_rgb_\w*32bit(_2frame)?\.dcm$",
           said="^BitsAllocated 32 with RGB"),
    Reason("OpenCV passes a transparent colour over", r"[il]_trns\.png$", said="^has transparent pixels"),
    Reason("compression of fax machines: black or white", r"\.tiff?$", said=r"^TIFF compression [234] \(CCITT"),
    Reason("a compression that no camera and no collection has been seen with", r"\.tiff?$",
           said=r"^TIFF compression (34887 \(LERC\)|34933 \(PNG\)|34934 \(JPEG XR\))"),
    Reason("colours of print or of perception, which no network takes; no detector gives them", r"\.tiff?$",
           said=r"^TIFF tag PhotometricInterpretation (5 \(separated colours, CMYK\)|8 \(CIE L\*a\*b\*\))"),
    Reason("no network of ours takes complex numbers", r"\.tiff?$", said=r"^TIFF tag SampleFormat \d \(complex"),
    Reason("volumes within a directory are tifffile's alone", r"\.tiff?$", said="^TIFF tag ImageDepth 5"),
    Reason("TIFF 6.0 withdrew this JPEG, of which each writer has a kind of its own", r"old-style-jpeg",
           said=r"^TIFF tag PhotometricInterpretation 6 \(YCbCr\) without JPEG"),
    Reason("the tag that says what the numbers mean is required; others take it to be 'black is zero'", r"\.tiff?$",
           said="^TIFF without tag PhotometricInterpretation"),
    Reason("the chain of directories never ends; others stop somewhere", r"_loop\.tiff$",
           said="^TIFF whose directories go"),
    Reason("tags that contradict each other, in files made to be broken", r"(rdf|tiff_wrong_bits_per_sample_2|"
           r"tiff_tiled_jpeg_oob_read)\.tiff?$", said="^TIFF (tag|of a maker)"),
    Reason("pixels that are not in the file: others make them zero", r"separate_planar_extra_samples\.tiff$",
           said="^TIFF whose strip 2 is missing"),
    Reason("a file has frames or it is a picture: in an animation each frame is laid over the ones before", r"\.a?png$",
           said="^an animated PNG"),
    Reason("bytes behind the compressed image: libpng warns, Pillow does not", r"padded_idat\.png$",
           said="^the image data of the PNG is damaged or cut off"),
    Reason("cut off within its image data; libpng reads what has come", r"truncated_end_chunk\.png$",
           said="which is cut off$"),
    Reason("a checksum is wrong: the file is damaged; libpng warns and leaves the profile out",
           r"unknown_compression_method\.png$", said="^PNG chunk iCCP: wrong checksum"),
)  # fmt: skip
