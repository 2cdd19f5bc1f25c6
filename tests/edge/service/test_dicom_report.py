"""Reports and maps for archives: what they say, that others read them, that the same verdict is the same bytes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import msgspec
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.service.configuration import CodeTable
from fisherlens.edge.service.destinations.dicom_codes import Codes
from fisherlens.edge.service.destinations.dicom_objects import Site, Subject, can_be_referred_to
from fisherlens.edge.service.destinations.dicom_overlay import has_a_place, parametric_map, segmentation
from fisherlens.edge.service.destinations.dicom_picture import map_image
from fisherlens.edge.service.destinations.dicom_report import structured_report
from fisherlens.edge.study import read_study
from fisherlens.edge.verdict import (
    BundleReference,
    CheckResult,
    ClassProbability,
    CompactMap,
    Evidence,
    Result,
    Verdict,
)
from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom

from ...bundles import usual_image
from ..study.headers import ORDINARY, read_header
from .validators import dump, errors_between, errors_in, needs_validators

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

SITE = Site("M-17")


def subject(header: Dataset, verdict: Verdict, identifier: str, site: Site) -> Subject:
    """What the service makes of an image's header as it is."""
    return Subject(read_study(header, verdict.frame).header, verdict, identifier, site)


MAPS = ("picture", "segmentation")
GOLD = Result(
    name="threshold gold thickness, 0.10 mm", unit="um", value=1.5239, u_aleatoric=0.05, u_epistemic=0.02, u_input=0.01,
    u=0.0547, coverage_factor=2.29, coverage_probability=0.95, U=0.1252, low=1.3987, high=1.6991, text="",
)  # fmt: skip
MAP = CompactMap(
    kind="fisher", quantity="root mean Fisher information per pixel, 1/image unit", cell=4, rows=8, columns=8, low=0.5,
    high=2.5, codes=bytes(range(0, 256, 4)),
)  # fmt: skip
EVIDENCE = Evidence(
    layer="input of member0.features.2.weight", quantity="mean response", channel=2, channels=6, deviation=12.7,
    low=-0.85, high=4.44, text="input of layer 2 of 3, channel 2 of 6: mean response 12.7 standard deviations high "
    "(usual images -0.85 to 4.44)",
)  # fmt: skip
UNKNOWN = msgspec.structs.replace(EVIDENCE, deviation=None, text="output: mean response is no finite number µ")
VERDICT = Verdict(
    schema=5,
    outcome="flagged",
    reasons=["cascade: as far from usual as hardly any usual image\nµ 王", "second reason"],
    source="dicom",
    frame=1,
    input_digest="sha256:" + "1" * 64,
    bundle=BundleReference(name="mammography", version="1.0.0", digest="sha256:" + "0" * 64),
    software="fisherlens 0.1.0",
    created="2026-11-26T14:00:00.123+00:00",
    results=[GOLD],
    result_images=[],
    probabilities=[ClassProbability(name="dense", probability=0.25)],
    entropy=None,
    mutual_information=None,
    class_image=None,
    checks=[
        CheckResult(
            name="cascade", statistic=12.5, p_value=0.0012, alpha=0.005, flagged=True, evidence=[EVIDENCE, UNKNOWN]
        )
    ],
    map=MAP,
)
HEADERS: dict[str, dict[str, bytes | None]] = {
    "ordinary": {},
    "latin": {"PatientName": "Müller^Jörg".encode("latin_1")},
    "latin, undeclared": {"SpecificCharacterSet": None, "PatientName": "Müller^Jörg".encode("latin_1")},
    "polish": {"SpecificCharacterSet": b"ISO_IR 101", "PatientName": "Żółć^Łucja".encode("iso8859_2")},
    "arabic": {"SpecificCharacterSet": b"ISO_IR 127", "PatientName": "قباني^لنزار".encode("iso8859_6")},
    "japanese": {
        "SpecificCharacterSet": rb"\ISO 2022 IR 87",
        "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう".encode("iso2022_jp"),
    },
    "korean": {
        "SpecificCharacterSet": rb"\ISO 2022 IR 149",
        "PatientName": b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
    },
    "chinese": {
        "SpecificCharacterSet": rb"\ISO 2022 IR 58",
        "PatientName": b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
    },
    "gb18030": {"SpecificCharacterSet": b"GB18030", "PatientName": "Wang=王^小东".encode("gb18030")},
    "no patient": {"PatientID": None, "PatientName": None, "PatientBirthDate": None, "PatientSex": None},
    "no study": {"StudyDate": None, "StudyTime": None, "StudyID": None, "AccessionNumber": None},
    "private class": {"SOPClassUID": b"1.2.840.113619.4.26"},
    "no valid date": {"StudyDate": b"2026-13-02", "StudyTime": b"10h", "PatientBirthDate": b"19700000"},
    "sex": {"PatientSex": b"W"},
    "too long": {"AccessionNumber": b"A" * 26, "PatientID": b"P" * 70, "PatientName": "Ü".encode("latin_1") * 80},
    "control characters": {"PatientName": b"Doe\r\n^Jane", "PatientID": b"\x00\x07P1", "StudyID": b"\x1b[31m"},
    "script for a UID": {"SOPInstanceUID": b"<script>alert(1)</script>"},
    "no valid UIDs": {keyword: b"1.02.3" for keyword in ORDINARY if keyword.endswith("UID")},
    "no UIDs": {keyword: None for keyword in ORDINARY if keyword.endswith("UID")},
    "odd orientation": {"PatientOrientation": b"LEFT", "ImageLaterality": b"left"},
}


def encoded(made: Dataset) -> bytes:
    buffer = BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def overlay() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)


def objects(header: Dataset, verdict: Verdict = VERDICT, identifier: str = "id") -> dict[str, Dataset]:
    """All that goes to an archive of one verdict."""
    made = {
        "report": structured_report(subject(header, verdict, identifier, SITE), MAPS),
        "picture": map_image(subject(header, verdict, identifier, SITE), overlay()),
    }
    if can_be_referred_to(read_study(header, verdict.frame).header):
        made["segmentation"] = segmentation(subject(header, verdict, identifier, SITE))
    return made


def saved(made: dict[str, Dataset], folder: Path) -> dict[str, Path]:
    for kind, of in made.items():
        (folder / f"{kind}.dcm").write_bytes(encoded(of))
    return {kind: folder / f"{kind}.dcm" for kind in made}


@needs_validators
@pytest.mark.parametrize("kind", HEADERS)
def test_validators_find_no_error_whatever_the_header(kind: str, tmp_path: Path) -> None:
    paths = saved(objects(read_header(**HEADERS[kind])), tmp_path)
    for path in paths.values():
        assert errors_in(path) == [], path.stem
    assert errors_between(list(paths.values())) == []
    assert "threshold gold thickness" in dump(paths["report"])
    assert len(group_of(hd.sr.srread(paths["report"])).get_measurements()) == 3


@pytest.mark.parametrize(
    ("kind", "name"),
    [("latin", "Müller^Jörg"), ("latin, undeclared", "Müller^Jörg"), ("polish", "Żółć^Łucja"),
     ("arabic", "قباني^لنزار"), ("japanese", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
     ("korean", "Hong^Gildong=洪^吉洞=홍^길동"), ("chinese", "Zhang^XiaoDong=张^小东"), ("gb18030", "Wang=王^小东")],
)  # fmt: skip
def test_names_are_the_images_in_report_and_maps_alike(kind: str, name: str, tmp_path: Path) -> None:
    for path in saved(objects(read_header(**HEADERS[kind])), tmp_path).values():
        made = pydicom.dcmread(path)
        assert made.SpecificCharacterSet == "ISO_IR 192"
        assert made.PatientName == name


@needs_validators
def test_images_of_both_sides_have_series_that_agree_and_numbers_that_tell_them_apart(tmp_path: Path) -> None:
    paths, numbers = [], []
    for seed, side in enumerate("LR"):
        folder = tmp_path / side
        folder.mkdir()
        write_dicom(folder / "image.dcm", usual_image(seed), Exposure(), "usual")
        header = pydicom.dcmread(folder / "image.dcm")
        header.StudyInstanceUID, header.ImageLaterality = "1.2.3", side
        header.SeriesInstanceUID, header.StudyDate, header.StudyTime = f"1.2.3.{seed}", "20260102", "101112"
        header.save_as(folder / "image.dcm")
        verdict = msgspec.structs.replace(VERDICT, input_digest=f"sha256:{seed}")
        made = objects(header, verdict, side)
        numbers.append(made["picture"].InstanceNumber)
        assert made["picture"].ImageLaterality == side
        paths += [folder / "image.dcm", *saved(made, folder).values()]
    assert len({pydicom.dcmread(path).SeriesInstanceUID for path in paths if path.stem == "picture"}) == 1
    assert len(set(numbers)) == 2
    assert errors_between(paths) == []


def group_of(report: Dataset) -> Any:
    """The report's one measurement group, by highdicom's own reader."""
    (group,) = hd.sr.MeasurementReport.from_sequence([report]).get_image_measurement_groups()
    return group


def properties(report: Dataset, name: str) -> dict[str, tuple[float, str]]:
    """The numbers below a measurement by their code values, each with its unit."""
    group = group_of(report)
    (measurement,) = [of for of in group.get_measurements() if of.name.meaning == name]
    return {
        item.name.value: (item.value, item.unit.value)
        for item in measurement[0].ContentSequence
        if item.ValueType == "NUM"
    }


def test_every_part_of_the_uncertainty_is_an_item_of_its_own_in_the_measurands_unit() -> None:
    told = properties(structured_report(subject(read_header(), VERDICT, "id", SITE)), GOLD.name)
    upper, lower = (
        of.value for of in (codes.SCT.RangeOfUpperMeasurementUncertainty, codes.SCT.RangeOfLowerMeasurementUncertainty)
    )
    assert told == {
        upper: (pytest.approx(GOLD.high - GOLD.value), "um"),
        lower: (pytest.approx(GOLD.value - GOLD.low), "um"),
        "std-uncertainty": (GOLD.u, "um"),
        "u-aleatoric": (GOLD.u_aleatoric, "um"),
        "u-epistemic": (GOLD.u_epistemic, "um"),
        "u-input": (GOLD.u_input, "um"),
        "coverage-factor": (GOLD.coverage_factor, "1"),
        "coverage-level": (GOLD.coverage_probability, "1"),
    }


def test_outcome_reasons_and_checks_are_items_of_their_own() -> None:
    report = structured_report(subject(read_header(), VERDICT, "id", SITE))
    group = group_of(report)
    told = {of.name.value: of.value for of in group.get_measurements()}
    assert told["p-value of cascade"] == 0.0012
    assert told["probability of dense"] == 0.25
    assert properties(report, "p-value of cascade") == {
        "check-alpha": (0.005, "1"),
        "check-statistic": (12.5, "1"),
    }
    (outcome,) = group.get_qualitative_evaluations()
    assert (outcome.name.value, outcome.value.value) == ("verdict-outcome", "verdict-flagged")
    texts = [item for item in group[0].ContentSequence if item.ValueType == "TEXT"]
    reasons = [item.TextValue for item in texts if item.name.value == "verdict-reason"]
    assert reasons == [" ".join(reason.split()) for reason in VERDICT.reasons]
    parameters = [item.TextValue for item in texts if item.name == codes.DCM.AlgorithmParameters]
    assert parameters == [VERDICT.bundle.digest]


def test_features_that_a_check_flags_by_are_below_it_in_words_with_their_numbers() -> None:
    report = hd.sr.srread(BytesIO(encoded(structured_report(subject(read_header(), VERDICT, "id", SITE)))))
    (check,) = [of for of in group_of(report).get_measurements() if of.name.meaning == "p-value of cascade"]
    told = [item for item in check[0].ContentSequence if item.ValueType == "TEXT"]
    assert [(item.name.value, item.TextValue) for item in told] == [
        ("check-evidence", EVIDENCE.text),
        ("check-evidence", UNKNOWN.text),
    ]
    usual = {"feature-usual-low": -0.85, "feature-usual-high": 4.44}
    numbers = [{number.name.value: number.value for number in item.ContentSequence} for item in told]
    assert numbers == [{"feature-deviation": 12.7, **usual}, usual]


def test_a_sites_codes_stand_in_the_place_of_ours() -> None:
    tables = [
        CodeTable(ours="std-uncertainty", value="SU", scheme="99SITE", meaning="u of the site"),
        CodeTable(ours=GOLD.name, value="4711", scheme="99SITE", meaning="T 0.10"),
        CodeTable(ours="verdict-flagged", value="371928007", scheme="SCT", meaning="Not significant"),
    ]
    report = structured_report(subject(read_header(), VERDICT, "id", Site("M-17", Codes.of(tables))))
    assert properties(report, "T 0.10")["SU"] == (GOLD.u, "um")
    group = group_of(report)
    assert [of.value.value for of in group.get_qualitative_evaluations()] == ["371928007"]


def test_a_result_that_is_no_number_is_told_in_words_and_the_report_is_made() -> None:
    results = [msgspec.structs.replace(GOLD, value=float("nan")), msgspec.structs.replace(GOLD, u=float("inf"))]
    report = structured_report(subject(read_header(), msgspec.structs.replace(VERDICT, results=results), "id", SITE))
    told = properties(hd.sr.srread(BytesIO(encoded(report))), GOLD.name)
    assert "std-uncertainty" not in told
    assert told["u-input"] == (GOLD.u_input, "um")
    assert f"{GOLD.name} is no finite number".encode() in encoded(report)


def test_a_frame_of_several_is_referred_to_by_its_number() -> None:
    verdict = msgspec.structs.replace(VERDICT, frame=3)
    made = objects(read_header(NumberOfFrames=b"3"), verdict)
    group = group_of(made["report"])
    assert [of.ReferencedSOPSequence[0].ReferencedFrameNumber for of in group.source_images] == [3]
    assert made["picture"].SourceImageSequence[0].ReferencedFrameNumber == 3
    derivation = made["segmentation"].PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]
    assert derivation.SourceImageSequence[0].ReferencedFrameNumber == 3
    first = objects(read_header(NumberOfFrames=b"3"))
    assert first["picture"].InstanceNumber == made["picture"].InstanceNumber - 2


def test_an_image_of_one_frame_is_referred_to_as_a_whole() -> None:
    made = objects(read_header())
    assert "ReferencedFrameNumber" not in made["picture"].SourceImageSequence[0]
    assert made["picture"].SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.4"


def test_the_report_leads_to_the_maps_and_has_them_as_evidence() -> None:
    made = objects(read_header())
    group = group_of(made["report"])
    images = [item for item in group[0].ContentSequence if item.ValueType == "IMAGE"]
    led_to = {item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in images}
    assert led_to == {"1.2.3.4", made["picture"].SOPInstanceUID, made["segmentation"].SOPInstanceUID}
    evidence = hd.sr.ComprehensiveSR.from_dataset(made["report"]).get_evidence()
    assert {(series, instance) for _, series, instance, _ in evidence} == {
        ("1.2.3.2", "1.2.3.4"),
        *((made[kind].SeriesInstanceUID, made[kind].SOPInstanceUID) for kind in MAPS),
    }


@pytest.mark.parametrize(
    ("header", "expected", "keyword", "spacing"),
    [
        ({}, None, "PixelSpacing", 0.1 / 16),
        ({"ImagerPixelSpacing": None, "PixelSpacing": b"0.2\\0.2"}, None, "PixelSpacing", 0.2 / 16),
        (
            {"ImagerPixelSpacing": None, "NominalScannedPixelSpacing": b"0.3\\0.3"},
            None, "NominalScannedPixelSpacing", 0.3 / 16,
        ),
        ({}, Input(crop=(16, 16)), "PixelSpacing", 0.05 / 16),
    ],
)  # fmt: skip
def test_the_pictures_spacing_is_the_frames_over_its_pixels(
    header: dict[str, Any], expected: Input | None, keyword: str, spacing: float
) -> None:
    picture = map_image(subject(read_header(**header), VERDICT, "id", SITE), overlay(), expected)
    assert picture.Rows == 512
    assert picture[keyword].value == pytest.approx([spacing, spacing])


def test_where_the_images_spacing_is_unknown_the_pictures_is_too() -> None:
    picture = map_image(subject(read_header(ImagerPixelSpacing=b"0,1\\0,1"), VERDICT, "id", SITE), overlay())
    assert "PixelSpacing" not in picture


@pytest.mark.parametrize(("said", "expected"), [(b"NO", "NO"), (b"YES", "YES"), (None, "YES")])
def test_what_is_burned_in_is_what_the_image_says_and_not_taken_for_nothing(said: bytes | None, expected: str) -> None:
    of = subject(read_header(BurnedInAnnotation=said), VERDICT, "id", SITE)
    assert map_image(of, overlay()).BurnedInAnnotation == expected


def placed() -> Dataset:
    return read_header(
        FrameOfReferenceUID=b"1.2.9", ImagePositionPatient=b"1\\2\\3", ImageOrientationPatient=b"1\\0\\0\\0\\1\\0",
        PixelSpacing=b"0.5\\0.7", ImageLaterality=None,
    )  # fmt: skip


@needs_validators
def test_a_parametric_map_has_the_maps_values_where_the_image_lies(tmp_path: Path) -> None:
    assert has_a_place(placed())
    assert not has_a_place(read_header())
    made = parametric_map(subject(placed(), VERDICT, "id", SITE))
    path = tmp_path / "map.dcm"
    path.write_bytes(encoded(made))
    assert errors_in(path) == []
    values = hd.imread(path).get_frame(1, apply_real_world_transform=True)
    assert values.shape == (32, 32)
    assert values.min() == pytest.approx(MAP.low, abs=1e-3)
    assert values.max() == pytest.approx(MAP.low + 252 / 255 * 2.0, abs=1e-3)
    place = made.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    assert place.ImagePositionPatient == [1, 2, 3]


def test_a_segmentation_lies_where_its_cells_were_cut_from() -> None:
    expected = Input(crop=(16, 16))
    compact = msgspec.structs.replace(MAP, rows=4, columns=4, codes=bytes([255] * 16))
    made = segmentation(subject(read_header(), msgspec.structs.replace(VERDICT, map=compact), "id", SITE), expected)
    frames = made.pixel_array
    assert frames.shape == (3, 32, 32)
    assert frames[:, 8:24, 8:24].all()
    assert frames.sum() == 3 * 16 * 16


def test_objects_name_the_machine_and_the_time_of_the_judgement_with_its_zone() -> None:
    for made in objects(read_header(TimezoneOffsetFromUTC=b"-0330")).values():
        assert made.DeviceSerialNumber == "M-17"
        assert (made.ContentDate, made.ContentTime) == ("20261126", "103000.123000")
        assert made.TimezoneOffsetFromUTC == "-0330"
    one, other = (structured_report(subject(read_header(), VERDICT, "id", Site(of))) for of in ("M-17", "M-18"))
    assert one.SeriesInstanceUID != other.SeriesInstanceUID
    assert _observer(one) != _observer(other)
    bundle = msgspec.structs.replace(VERDICT.bundle, digest="sha256:" + "2" * 64)
    assert _observer(one) == _observer(
        structured_report(subject(read_header(), msgspec.structs.replace(VERDICT, bundle=bundle), "id", SITE))
    )


def _observer(report: Dataset) -> str:
    (uid,) = [item.UID for item in report.ContentSequence if item.get("ValueType") == "UIDREF"]
    return uid


@pytest.mark.parametrize("make", [structured_report, lambda of: map_image(of, overlay()), segmentation])
def test_the_same_verdict_is_the_same_bytes_whenever_it_is_made(
    make: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = encoded(make(subject(read_header(), VERDICT, "id", SITE)))
    moment = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: moment)
    monkeypatch.setattr(hd.base, "datetime", _later(moment))
    assert encoded(make(subject(read_header(), VERDICT, "id", SITE))) == now


def _later(moment: float) -> Any:
    import datetime
    import types

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return cls.fromtimestamp(moment, tz)

    return types.SimpleNamespace(datetime=Later, date=datetime.date, time=datetime.time, timedelta=datetime.timedelta)


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed (Debian: faketime)")
def test_a_verdict_in_another_process_on_another_day_is_the_same_bytes(tmp_path: Path) -> None:
    """The whole of it: parametric map as well, with hash seeds and a clock of their own."""
    for day in ("2026-12-01 10:00:00", "2027-06-01 11:11:11"):
        command = [sys.executable, "-c", _SCRIPT, str(tmp_path / f"{day[:4]}.bin")]
        faked = ["faketime", day, *command]
        environment = {**os.environ, "PYTHONHASHSEED": day[3], "PYTHONPATH": str(Path(__file__).parents[3])}
        subprocess.run(faked, check=True, env=environment)
    assert (tmp_path / "2026.bin").read_bytes() == (tmp_path / "2027.bin").read_bytes()


_SCRIPT = """
import sys
from pathlib import Path
from tests.edge.service.test_dicom_report import *
made = [*objects(read_header()).values(), parametric_map(subject(placed(), VERDICT, "id", SITE))]
Path(sys.argv[1]).write_bytes(b"".join(encoded(of) for of in made))
"""


@settings(max_examples=60)
@given(
    values=st.dictionaries(
        st.sampled_from([*ORDINARY]), st.none() | st.binary(max_size=90) | st.text(max_size=40).map(str.encode)
    ),
    reason=st.text(max_size=80),
    name=st.text(max_size=80),
)
def test_any_header_gives_a_report_that_is_read_again(values: dict[str, bytes | None], reason: str, name: str) -> None:
    verdict = msgspec.structs.replace(
        VERDICT, reasons=[reason], results=[msgspec.structs.replace(GOLD, name=name, unit=name or "1")]
    )
    made = objects(read_header(**values), verdict)
    report = hd.sr.srread(BytesIO(encoded(made["report"])))
    group = group_of(report)
    assert group.get_measurements()[0].value == GOLD.value
    for of in made.values():
        again = pydicom.dcmread(BytesIO(encoded(of)))
        assert again.StudyInstanceUID.is_valid
        assert re.fullmatch(r"(\d{8})?", again.StudyDate or "")
