"""What is demanded of frames, derived from any headers: all of them are accepted, or one that is not is named."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.preprocess import check_header
from fisherlens.edge.reading import Header
from fisherlens.export.calibration.accepted import InputOptions, accepted, default_photometric
from fisherlens.export.calibration.images import Folder
from fisherlens.export.errors import CalibrationError


def few(*values: Any) -> st.SearchStrategy[Any]:
    """Draws one of the values, the first most often: what is mixed is to be so in some attributes only."""
    return st.sampled_from([values[0]] * 3 * len(values) + list(values))


BITS = few((16, 12), (16, 12), (16, 14), (16, 16), (8, 8), (16, None), (8, None), (32, None), (64, None), (None, None))
HEADERS = st.builds(
    lambda bits, **fields: Header(bits_allocated=bits[0], bits_stored=bits[1], **fields),
    bits=BITS,
    rows=few(32, 64, 2000),
    columns=few(32, 48),
    samples_per_pixel=few(1, 3),
    signed=few(False, True),
    modality=few("MG", "DX", None),
    photometric_interpretation=few("MONOCHROME2", "MONOCHROME1", "RGB", None, "YBR_FULL"),
    pixel_spacing=few(0.1, 0.2, None),
    presentation_intent_type=few("FOR PROCESSING", "FOR PRESENTATION", None),
    pixel_intensity_relationship=few("LIN", "LOG", None),
)
OPTIONS = st.builds(
    InputOptions,
    modality=few(None, "any", "MG"),
    bits_stored=few(None, "any", 12, 16),
    photometric_interpretation=few(None, "MONOCHROME1", "MONOCHROME2"),
    pixel_spacing=few(None, (0.05, 0.15)),
    presentation_intent_type=few(None, "any", "FOR PROCESSING"),
    pixel_intensity_relationship=few(None, "any", "LIN"),
    crop=few(None, (32, 32), (64, 48)),
    resize=few(None, (16, 16)),
    scale=few(None, 0.5),
)
DEMANDED = ("modality", "presentation_intent_type", "pixel_intensity_relationship")


def folder(headers: list[Header]) -> Folder:
    return Folder([Path(f"image{number:02}.dcm") for number in range(len(headers))], headers)


def fits(header: Header, options: InputOptions, headers: list[Header]) -> bool:
    """Whether the frame is accepted by what is derived from the headers without this one's say."""
    try:
        check_header(header, accepted(folder(headers), options).input)
    except (CalibrationError, ImageRefused):
        return False
    return True


@given(st.lists(HEADERS, min_size=1, max_size=6), OPTIONS)
@settings(max_examples=1000)
def test_all_headers_are_accepted_or_one_that_does_not_fit_is_named(
    headers: list[Header], options: InputOptions
) -> None:
    images = folder(headers)
    try:
        found = accepted(images, options)
    except CalibrationError as error:
        named = [header for path, header in zip(images.paths, headers, strict=True) if str(path) in str(error)]
        assert named
        # What is named differs from what is named beside it, or is refused even by itself.
        assert len(set(named)) > 1 or not fits(named[0], options, named) or not fits(named[0], options, headers)
        return
    for header in headers:
        check_header(header, found.input)
    assert found.input.photometric_interpretation is not None


@given(st.lists(HEADERS, min_size=1, max_size=6))
@settings(max_examples=500)
def test_what_all_state_and_agree_in_is_demanded_and_nothing_else(headers: list[Header]) -> None:
    try:
        demanded = accepted(folder(headers), InputOptions(resize=(16, 16), scale=1.0)).input
    except CalibrationError:
        return
    for name in DEMANDED:
        values = {attrgetter(name)(header) for header in headers}
        assert getattr(demanded, name) == (values.pop() if len(values) == 1 else None)
    sizes = {(header.rows, header.columns) for header in headers}
    assert (demanded.rows, demanded.columns) == (sizes.pop() if len(sizes) == 1 else (None, None))
    bits = {header.bits_stored or header.bits_allocated for header in headers}
    assert demanded.bits_stored == (bits.pop() if len(bits) == 1 else None)
    assert demanded.pixel_spacing is None


@given(st.lists(HEADERS, min_size=1, max_size=6))
def test_the_default_scale_takes_the_largest_stored_value_to_one(headers: list[Header]) -> None:
    bits = {header.bits_stored or header.bits_allocated for header in headers}
    try:
        scale = accepted(folder(headers), InputOptions(resize=(16, 16))).input.scale
    except CalibrationError:
        return
    (bits_stored,) = bits
    assert scale * (2**bits_stored - 1 if bits_stored else 1) == pytest.approx(1)


def grey(photometric: str | None, **more: Any) -> Header:
    fields: dict[str, Any] = {"rows": 4, "columns": 4, "bits_allocated": 16, "photometric_interpretation": photometric}
    return Header(**(fields | more))


@pytest.mark.parametrize(
    ("stated", "told", "meant"),
    [
        (["MONOCHROME1", "MONOCHROME1"], None, "MONOCHROME1"),
        (["MONOCHROME1", "MONOCHROME2"], None, "MONOCHROME2"),
        (["MONOCHROME1", None], None, "MONOCHROME1"),
        ([None, None], None, "MONOCHROME2"),
        (["MONOCHROME2", "MONOCHROME2"], "MONOCHROME1", "MONOCHROME1"),
    ],
)
def test_what_the_numbers_mean_is_always_stated(stated: list[str | None], told: Any, meant: str) -> None:
    images = folder([grey(photometric) for photometric in stated])
    assert accepted(images, InputOptions(photometric_interpretation=told)).input.photometric_interpretation == meant


def test_what_is_meant_is_asked_only_where_no_image_says() -> None:
    assert default_photometric([grey(None), grey(None)]) == "MONOCHROME2"
    assert default_photometric([grey(None, samples_per_pixel=3)]) == "RGB"
    assert default_photometric([grey(None), grey("MONOCHROME1")]) is None


def test_floating_pixels_that_would_have_to_be_turned_are_named() -> None:
    images = folder([grey("MONOCHROME2"), grey("MONOCHROME1", bits_allocated=None)])
    with pytest.raises(CalibrationError, match=r"image01\.dcm: .*not whole have no range to turn"):
        accepted(images, InputOptions(scale=1.0))


def test_of_many_sizes_the_most_frequent_are_listed() -> None:
    images = folder([grey("MONOCHROME2", rows=rows) for rows in (1, 2, 3, 4, 5, 6, 6)])
    with pytest.raises(CalibrationError, match=r"6 x 4 in 2 \(image05\.dcm\), 1 x 4 in 1 .* and 2 others"):
        accepted(images, InputOptions())
