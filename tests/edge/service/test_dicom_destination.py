"""Reports and maps in the image's study, in a public archive: Orthanc, asked by its REST interface."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom.sr import CodedConcept, MeasurementReport

from fisherlens.edge.verdict import Verdict
from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom

from ...bundles import usual_image
from .certificates import Authority, Certified
from .orthanc import ORTHANC, Orthanc
from .ports import free_port
from .running import Running

pytestmark = pytest.mark.skipif(not Path(ORTHANC).exists(), reason="Orthanc is not installed (Debian: orthanc)")


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    archive = Orthanc(tmp_path / "orthanc", free_port(), free_port())
    archive.start()
    yield archive
    if archive.process is not None and archive.process.poll() is None:
        archive.stop()


@pytest.fixture
def service(tmp_path: Path, ensemble_bundle: Path, orthanc: Orthanc) -> Iterator[Callable[[], Running]]:
    running = Running(tmp_path, ensemble_bundle, '[scoring]\nexplain = "always"\n' + orthanc.table)

    def start() -> Running:
        running.start()
        return running

    yield start
    if running.process is not None and running.process.poll() is None:
        assert running.stop() == 0


def image(path: Path, seed: int) -> pydicom.Dataset:
    """A DICOM image of the bits that the bundle takes, written beside and renamed, as a modality's export."""
    beside = path.with_name(f".{path.name}")
    write_dicom(beside, usual_image(seed), Exposure(), "usual")
    dataset = pydicom.dcmread(beside)
    dataset.BitsStored, dataset.HighBit = 16, 15
    dataset.save_as(beside)
    beside.rename(path)
    return dataset


def delivered(running: Running, count: int) -> bool:
    return running.store().outbox.counts().get(("archive", "delivered"), 0) == count


def test_report_and_map_lie_in_the_images_own_study(
    service: Callable[[], Running], orthanc: Orthanc, ensemble_bundle: Path, tmp_path: Path
) -> None:
    running = service()
    sent = image(running.inbox / "one.dcm", 1)
    running.wait_for(lambda: delivered(running, 1), "the delivery")
    found = {instance.Modality: instance for instance in orthanc.instances(tmp_path)}
    assert set(found) == {"SR", "OT"}
    for instance in found.values():
        for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "StudyDate", "StudyID"):
            assert instance[keyword].value == sent[keyword].value, keyword
    ((_, verdict),) = running.store().verdicts()
    _require_told(found["SR"], verdict)
    picture = found["OT"].pixel_array
    assert picture.shape[0] == 512  # enlarged, with the legend beside it
    assert picture.std() > 0


def test_names_and_odd_values_arrive_in_the_archive_and_are_told_by_attribute(
    service: Callable[[], Running], orthanc: Orthanc, tmp_path: Path
) -> None:
    running = service()
    path = tmp_path / "one.dcm"
    sent = image(path, 1)
    sent.SpecificCharacterSet = ["", "ISO 2022 IR 149"]
    sent.PatientName = "Hong^Gildong=洪^吉洞=홍^길동"
    sent["PatientSex"] = pydicom.DataElement("PatientSex", "CS", "W", validation_mode=pydicom.config.IGNORE)
    sent["StudyDate"] = pydicom.DataElement("StudyDate", "DA", "2026-01-02", validation_mode=pydicom.config.IGNORE)
    del sent.PatientBirthDate
    sent.save_as(path)
    path.rename(running.inbox / "one.dcm")
    running.wait_for(lambda: delivered(running, 1), "the delivery")
    found = orthanc.instances(tmp_path)
    assert {instance.Modality for instance in found} == {"SR", "OT"}
    for instance in found:
        assert instance.PatientName == "Hong^Gildong=洪^吉洞=홍^길동"
        assert (instance.PatientSex, instance.StudyDate, instance.PatientBirthDate) == ("", "20260102", "")
    log = running.log.read_text()
    assert "PatientSex left out, not one of M, F, O" in log
    assert "Hong" not in log


def _require_told(report: pydicom.Dataset, verdict: Verdict) -> None:
    """Read by highdicom's own reader, and by eye in the tags."""
    content = MeasurementReport.from_sequence([report])
    (group,) = content.get_image_measurement_groups()
    told = {measurement.name.meaning: measurement for measurement in group.get_measurements()}
    for result in verdict.results:
        measurement = told[result.name[:64]]
        assert measurement.value == pytest.approx(result.value, rel=1e-6)
        assert measurement.unit.value == result.unit
        assert measurement.unit.scheme_designator == "UCUM"
        uncertainties = [item for item in measurement[0].ContentSequence if item.name.scheme_designator == "SCT"]
        assert [item.value for item in uncertainties] == pytest.approx([result.U, result.U], rel=1e-4)
        assert [item.unit.value for item in uncertainties] == [result.unit, result.unit]
    for check in verdict.checks:
        assert told[f"p-value of {check.name}"].value == pytest.approx(check.p_value, rel=1e-5)
    (outcome,) = [item.value for item in group.get_qualitative_evaluations()]
    assert isinstance(outcome, CodedConcept)
    assert outcome.meaning == verdict.outcome
    equipment = report.ContributingEquipmentSequence[0]
    assert equipment.ContributionDescription == verdict.bundle.digest
    assert verdict.software in equipment.SoftwareVersions
    assert report.SOPInstanceUID.is_valid


def test_an_archive_that_is_down_gets_everything_when_it_is_back_and_nothing_twice(
    service: Callable[[], Running], orthanc: Orthanc, tmp_path: Path
) -> None:
    orthanc.stop()
    running = service()
    for seed in range(3):
        image(running.inbox / f"{seed}.dcm", seed)
    running.wait_for(lambda: "delivery to archive: " in running.log.read_text(), "a failed delivery")
    running.wait_for(lambda: len(running.lines_read()) == 3, "the other destination's lines")
    assert running.stop() == 0
    orthanc.start()
    service()
    running.wait_for(lambda: delivered(running, 3), "all deliveries")
    reports = [instance for instance in orthanc.instances(tmp_path) if instance.Modality == "SR"]
    assert len(reports) == 3


def test_an_image_that_is_not_dicom_has_nothing_to_be_archived(
    service: Callable[[], Running], orthanc: Orthanc
) -> None:
    running = service()
    np.save(running.inbox / "one.npy", usual_image(1))
    running.wait_for(lambda: delivered(running, 1), "the delivery")
    assert json.loads(orthanc.get("/instances")) == []


def test_an_archive_is_reached_over_tls_and_only_the_one_that_the_authority_vouches_for(
    tmp_path: Path, ensemble_bundle: Path
) -> None:
    ours, theirs = Authority(tmp_path, "hospital"), Authority(tmp_path, "elsewhere")
    server, client = ours.certify("archive"), ours.certify("workstation")
    archive = Orthanc(
        tmp_path / "orthanc",
        free_port(),
        free_port(),
        {
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(server.certificate),
            "DicomTlsPrivateKey": str(server.key),
            "DicomTlsTrustedCertificates": str(ours.certificate),
        },
    )
    running = Running(tmp_path, ensemble_bundle, over_tls(archive, client, theirs))
    running.configure()
    image(running.inbox / "0.dcm", 0)
    archive.start()
    try:
        running.start()
        running.wait_for(lambda: "no association" in running.log.read_text(), "the refusal of a strange archive")
        assert running.stop() == 0
        running.extra = over_tls(archive, client, ours)
        running.start()
        running.wait_for(lambda: delivered(running, 1), "the delivery")
        assert running.stop() == 0
    finally:
        archive.stop()


def over_tls(archive: Orthanc, client: Certified, authority: Authority) -> str:
    """The destination's tables."""
    return f"""
        {archive.table}
        [destination.archive.tls]
        certificate = "{client.certificate}"
        key = "{client.key}"
        authorities = "{authority.certificate}"
        """
