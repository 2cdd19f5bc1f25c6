"""What a header says of its study, whatever it looks like."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from fisherlens.edge.sandbox import Sandbox
from fisherlens.edge.study import PATIENT_AND_STUDY, STUDY, read_study

from .headers import ORDINARY, read_header, write_header

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def test_an_ordinary_header_is_taken_over_as_it_is() -> None:
    study = read_study(read_header())
    assert study.remarks == ()
    for keyword in ("PatientName", "PatientID", "StudyDate", "StudyInstanceUID", "SOPInstanceUID", "ImageLaterality"):
        assert str(study.header[keyword].value) == ORDINARY[keyword].decode()
    assert study.header.ImagerPixelSpacing == [0.1, 0.1]
    assert study.header.Rows == 32


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("PatientSex", b"W", ""), ("StudyDate", b"2026-01-02", "20260102"), ("StudyDate", b"99999999", ""),
        ("StudyTime", b"10:11:12+0100", "101112"), ("PatientBirthDate", b"19700000", ""),
        ("AccessionNumber", b"A" * 26, ""), ("PatientName", b"Doe^\r\nJane", "Doe^ Jane"), ("PatientID", b"A\\B", ""),
        ("StudyID", b"S" * 20, ""),
    ],
)  # fmt: skip
def test_what_is_not_valid_is_named_by_its_attribute_and_never_by_its_value(
    keyword: str, value: bytes, expected: str
) -> None:
    study = read_study(read_header(**{keyword: value}))
    assert str(study.header[keyword].value) == expected
    assert any(remark.startswith(f"{keyword} ") for remark in study.remarks)
    assert value.decode() not in "".join(study.remarks)


@pytest.mark.parametrize("keyword", PATIENT_AND_STUDY)
def test_a_missing_attribute_is_an_empty_one(keyword: str) -> None:
    study = read_study(read_header(**{keyword: None}))
    assert str(study.header[keyword].value or "") == ""
    assert study.remarks == ()


@pytest.mark.parametrize("value", [None, b"", b"<script>", b"1.2.03", b"1." + b"9" * 70])
def test_without_a_valid_study_uid_a_study_of_its_own_is_made_and_told(value: bytes | None) -> None:
    study, again = (read_study(read_header(StudyInstanceUID=value)) for _ in range(2))
    assert study.header.StudyInstanceUID.is_valid
    assert study.header.StudyInstanceUID == again.header.StudyInstanceUID
    assert "SeriesInstanceUID" not in study.header
    assert any(remark.startswith("StudyInstanceUID ") for remark in study.remarks)
    assert read_study(study.header).header.StudyInstanceUID == study.header.StudyInstanceUID


def test_images_of_one_invalid_study_lie_together() -> None:
    one, other = (read_study(read_header(StudyInstanceUID=b"1.2.03", PatientID=of)).header for of in (b"1", b"2"))
    assert one.StudyInstanceUID == other.StudyInstanceUID


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"])
def test_an_image_without_a_valid_uid_cannot_be_referred_to_which_is_told(keyword: str) -> None:
    for value in (None, b"1.2.03"):
        study = read_study(read_header(**{keyword: value}))
        assert keyword not in study.header
        assert any(remark.startswith(f"{keyword} ") for remark in study.remarks)


def test_spacing_and_place_of_a_frame_are_those_of_its_functional_groups() -> None:
    image = Dataset()
    image.SharedFunctionalGroupsSequence = [_group("PixelMeasuresSequence", PixelSpacing=[0.5, 0.7])]
    image.PerFrameFunctionalGroupsSequence = [
        _group("PlanePositionSequence", ImagePositionPatient=[0, 0, frame]) for frame in range(3)
    ]
    header = read_study(image, 3).header
    assert header.PixelSpacing == [0.5, 0.7]
    assert header.ImagePositionPatient == [0, 0, 2]


def _group(keyword: str, **values: list[float]) -> Dataset:
    group, item = Dataset(), Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    setattr(group, keyword, [item])
    return group


@pytest.mark.parametrize("declared", [b"ISO_IR 100\0\0", b"\0\x01", b"ISO_IR\x00100", b"a\0b\\c"])
def test_a_character_set_with_nul_in_it_does_not_hide_the_rest(declared: bytes) -> None:
    header = read_study(read_header(SpecificCharacterSet=declared, PatientName="Müller".encode("latin_1"))).header
    assert header.PatientName == "Müller"


@given(st.dictionaries(st.sampled_from([*ORDINARY]), st.none() | st.binary(max_size=80)))
def test_any_header_is_some_study(values: dict[str, bytes | None]) -> None:
    study = read_study(read_header(**values))
    again = read_study(Dataset.from_json(study.header.to_json()))
    assert again.header == study.header


def test_the_sandbox_reads_the_same_and_says_what_was_left_out(tmp_path: Path) -> None:
    sandbox = Sandbox()
    try:
        study = sandbox.study(write_header(tmp_path / "one.dcm", PatientSex=b"W", NumberOfFrames=b"1A"))
        assert study is not None
        assert study == read_study(pydicom.dcmread(tmp_path / "one.dcm"))
        assert {remark.split()[0] for remark in study.remarks} == {"PatientSex", "NumberOfFrames"}
        assert {element.keyword for element in study.header} <= set(STUDY)
    finally:
        sandbox.close()
