"""Sending to archives that answer this and that: what counts as stored, what is sent again, and what is said."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ComprehensiveSRStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from fisherlens.edge import Runtime
from fisherlens.edge.sandbox import Sandbox
from fisherlens.edge.service.configuration import (
    ConfigurationRefused,
    DicomDestinationTable,
    StoreTable,
    read_configuration,
)
from fisherlens.edge.service.destinations import DeliveryFailed
from fisherlens.edge.service.destinations.dicom import DicomDestination
from fisherlens.edge.service.store import Store
from fisherlens.edge.verdict import Verdict

from ..study.headers import header_bytes
from .archives import ALL, told_archive
from .ports import free_port, wait_for_port
from .test_dicom_destination import image

SR, PICTURE, SEGMENTATION = ComprehensiveSRStorage, SecondaryCaptureImageStorage, SegmentationStorage


@pytest.fixture(scope="module")
def scored(ensemble_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Runtime, Verdict, bytes]:
    """A bundle, a verdict of it with a map, and the image's file."""
    runtime = Runtime.open(ensemble_bundle)
    path = tmp_path_factory.mktemp("image") / "image.dcm"
    image(path, 1)
    (verdict,) = runtime.score_file(path, explain="always")
    return runtime, verdict, path.read_bytes()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


class Deliveries:
    """A store with one verdict to be delivered to an archive. destination: made anew is a service that starts again."""

    def __init__(self, folder: Path, sandbox: Sandbox, scored: tuple[Runtime, Verdict, bytes]) -> None:
        self.store, self._sandbox = Store(StoreTable(folder=folder)), sandbox
        runtime, self.verdict, data = scored
        self.store.bundles.admit(runtime.bundle.manifest, runtime.bundle.digest)
        self.add(data)

    def add(self, data: bytes) -> None:
        digest = self.store.keep(data, "dicom", "1.2.3", self.verdict.bundle.digest)
        self.store.add_verdicts(digest, self.verdict.bundle.digest, [self.verdict], ["archive"])

    def destination(self, port: int, **keys: Any) -> DicomDestination:
        table = {"name": "archive", "host": "127.0.0.1", "port": port, "ae_title": "ARCHIVE", "seconds": 3.0, **keys}
        return DicomDestination(DicomDestinationTable(**table), self._sandbox, self.store)

    def deliver(self, port: int, **keys: Any) -> None:
        self.destination(port, **keys).deliver(self.store.outbox.pending("archive")[-1])

    def refused(self, port: int, **keys: Any) -> str:
        with pytest.raises(DeliveryFailed) as refusal:
            self.deliver(port, **keys)
        return str(refusal.value)


@pytest.fixture
def deliveries(tmp_path: Path, sandbox: Sandbox, scored: tuple[Runtime, Verdict, bytes]) -> Deliveries:
    return Deliveries(tmp_path / "store", sandbox, scored)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(0xB000, "coercion of data elements"), (0xB006, "element discarded"),
     (0xB007, "data set does not match sop class"), (0x0111, "duplication sop instance")],
)  # fmt: skip
def test_what_the_archive_has_is_delivered_whatever_it_did_to_it(
    deliveries: Deliveries, status: int, meaning: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with told_archive() as archive:
        archive.statuses = dict.fromkeys(ALL, status)
        deliveries.deliver(archive.port)
        assert archive.classes() == [SR, PICTURE]
    assert f"0x{status:04X}, {meaning}" in caplog.text


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(0xA701, "refused: out of resources"), (0xA900, "data set does not match sop class"),
     (0xC123, "cannot understand"),
     (0x0124, "refused: not authorised"), (0x1234, "unknown status")],
)  # fmt: skip
def test_a_failure_is_told_by_class_and_meaning_and_what_was_stored_is_not_sent_again(
    deliveries: Deliveries, status: int, meaning: str
) -> None:
    with told_archive() as archive:
        archive.statuses = {PICTURE: status}
        assert f"Secondary Capture Image Storage: 0x{status:04X}, {meaning}" in deliveries.refused(archive.port)
        archive.statuses = {}
        deliveries.deliver(archive.port)
        assert archive.classes() == [SR, PICTURE, PICTURE]


def test_a_map_that_is_stored_is_not_sent_again_for_the_reports_sake(deliveries: Deliveries) -> None:
    with told_archive() as archive:
        archive.statuses = {SR: 0xA700}
        deliveries.refused(archive.port)
        archive.statuses = {}
        deliveries.deliver(archive.port)
        assert archive.classes() == [SR, PICTURE, SR]


def test_what_is_given_up_and_taken_up_again_is_sent_as_a_whole(deliveries: Deliveries) -> None:
    with told_archive() as archive:
        archive.statuses = {PICTURE: 0xA700}
        deliveries.refused(archive.port)
        (pending,) = deliveries.store.outbox.pending("archive")
        assert deliveries.store.outbox.abandon(pending.id, "archive")
        assert deliveries.store.outbox.take_up(pending.id, "archive")
        archive.statuses = {}
        deliveries.deliver(archive.port)
        assert archive.classes() == [SR, PICTURE, SR, PICTURE]


def test_a_class_that_the_archive_never_takes_does_not_hold_the_verdict_up(
    deliveries: Deliveries, caplog: pytest.LogCaptureFixture
) -> None:
    with told_archive(classes=[SR]) as archive:
        deliveries.deliver(archive.port)
        assert archive.classes() == [SR]
    assert "does not accept Secondary Capture Image Storage: the class is not supported; it is left out" in caplog.text
    with told_archive() as archive:
        archive.statuses = {PICTURE: 0x0122}
        deliveries.deliver(archive.port, maps=["picture", "segmentation"])
    assert "does not accept Secondary Capture Image Storage: 0x0122" in caplog.text


def test_an_archive_that_takes_no_reports_has_not_got_the_verdict(deliveries: Deliveries) -> None:
    with told_archive(classes=[PICTURE]) as archive:
        said = deliveries.refused(archive.port)
        assert "does not accept Comprehensive SR Storage: the class is not supported" in said
        deliveries.refused(archive.port)
        assert archive.classes() == [PICTURE]
    with told_archive(classes=["1.2.840.10008.1.1"]) as archive:
        assert "Comprehensive SR Storage" in deliveries.refused(archive.port, maps=False)


@pytest.mark.parametrize(
    ("keys", "classes"),
    [({}, [SR, PICTURE]), ({"maps": False}, [SR]), ({"reports": False}, [PICTURE]),
     ({"maps": ("segmentation", "picture")}, [SR, SEGMENTATION, PICTURE]), ({"maps": ("parametric map",)}, [SR]),
     ({"reports": False, "maps": ()}, [])],
)  # fmt: skip
def test_report_and_forms_of_the_map_are_chosen_each(
    deliveries: Deliveries, keys: dict[str, Any], classes: list[str]
) -> None:
    with told_archive() as archive:
        deliveries.deliver(archive.port, **keys)
        assert archive.classes() == classes


def table_of(tmp_path: Path, keys: str) -> DicomDestinationTable:
    """The archive of a configuration with these keys."""
    path = tmp_path / "service.toml"
    path.write_text(
        '[bundle]\npath = "b"\n[store]\nfolder = "s"\n'
        f'[[destination.archive]]\nname = "a"\nhost = "h"\nport = 1\nae-title = "A"\n{keys}'
    )
    return read_configuration(path).destination.archive[0]


def code(ours: str, value: str = "1") -> str:
    return f'[[destination.archive.code]]\nours = "{ours}"\nvalue = "{value}"\nscheme = "99S"\nmeaning = "m"\n'


@pytest.mark.parametrize(
    ("keys", "forms"),
    [("", ("picture",)), ("maps = true", ("picture",)), ("maps = false", ()), ("maps = []", ()),
     ('maps = ["segmentation", "picture"]', ("segmentation", "picture")),
     ('maps = ["picture", "picture"]', ("picture",))],
)  # fmt: skip
def test_forms_of_the_map_are_a_list_or_yes_or_no(tmp_path: Path, keys: str, forms: tuple[str, ...]) -> None:
    assert table_of(tmp_path, keys).map_forms == forms


def test_codes_are_read_from_the_configuration(tmp_path: Path) -> None:
    (first, second) = table_of(tmp_path, code("std-uncertainty") + code("verdict-map", "2")).code
    assert (first.ours, first.value, second.ours, second.value) == ("std-uncertainty", "1", "verdict-map", "2")


@pytest.mark.parametrize(
    ("keys", "word"),
    [('maps = ["photograph"]', "photograph"), (code("a") + code("a"), "two codes for 'a'"), (code("a\\\\b"), "regex"),
     ('device-serial-number = ""', "regex"), ("reports = 1", "bool")],
)  # fmt: skip
def test_what_an_archive_could_not_take_is_refused_at_the_start(tmp_path: Path, keys: str, word: str) -> None:
    with pytest.raises(ConfigurationRefused, match=word):
        table_of(tmp_path, keys)


def test_implicit_vr_is_offered_to_an_archive_that_takes_nothing_else(deliveries: Deliveries) -> None:
    with told_archive(syntaxes=[ImplicitVRLittleEndian]) as archive:
        deliveries.deliver(archive.port)
        assert archive.classes() == [SR, PICTURE]
        assert archive.received[1].pixel_array.shape[2] == 3


def test_an_archive_that_takes_compressed_objects_alone_is_told_of(deliveries: Deliveries) -> None:
    with told_archive(syntaxes=["1.2.840.10008.1.2.4.70"]) as archive:
        assert "the transfer syntaxes are not supported" in deliveries.refused(archive.port, maps=False)


@pytest.mark.skipif(shutil.which("storescp") is None, reason="storescp is not installed (Debian: dcmtk)")
@pytest.mark.parametrize("preferred", ["+xi", "+xe", "+x="])
def test_dcmtks_archive_takes_report_and_map_in_the_syntax_that_it_prefers(
    deliveries: Deliveries, tmp_path: Path, preferred: str
) -> None:
    port, folder = free_port(), tmp_path / "received"
    folder.mkdir()
    process = subprocess.Popen(["storescp", "-aet", "ARCHIVE", "-od", folder, preferred, str(port)])
    try:
        wait_for_port(port)
        deliveries.deliver(port)
    finally:
        process.terminate()
        process.wait(10)
    assert sorted(path.name[:2] for path in folder.iterdir()) == ["SC", "SR"]


def test_why_there_is_no_association_is_told(deliveries: Deliveries) -> None:
    said = deliveries.refused(free_port())
    assert said.endswith("no association, nothing listens there")
    with told_archive(ae_title="OTHER") as archive:
        assert "called ae title not recognised" in deliveries.refused(archive.port)
    with told_archive(calling="SOMEBODY") as archive:
        assert "rejected permanent by its service user: calling ae title" in deliveries.refused(archive.port)


@pytest.mark.parametrize(
    ("values", "keyword"),
    [({"PatientSex": b"W"}, "PatientSex"), ({"StudyInstanceUID": None}, "StudyInstanceUID"),
     ({"SeriesInstanceUID": None}, "SeriesInstanceUID"), ({"NumberOfFrames": b"1A"}, "NumberOfFrames"),
     ({"PatientName": b"Doe\r\n^Secret"}, "PatientName"), ({"SOPClassUID": b"1.2.840.113619.4.26"}, "")],
)  # fmt: skip
def test_a_verdict_on_any_header_is_delivered_and_what_was_left_out_is_logged_by_attribute(
    deliveries: Deliveries, values: dict[str, bytes | None], keyword: str, caplog: pytest.LogCaptureFixture
) -> None:
    deliveries.add(header_bytes({"PatientID": b"Secret", **values}))
    with told_archive() as archive:
        deliveries.deliver(archive.port, maps=False)
        (report,) = archive.received
    assert report.StudyInstanceUID.is_valid
    assert f"{keyword} " in caplog.text or not keyword
    assert "Secret" not in caplog.text


def test_nobodys_name_is_logged_by_any_library(deliveries: Deliveries, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("pynetdicom").setLevel(logging.INFO)
    deliveries.add(header_bytes({"PatientName": b"Secret"}))
    with told_archive() as archive:
        deliveries.deliver(archive.port, maps=["segmentation"])
    assert "Secret" not in caplog.text


@pytest.mark.parametrize("data", [bytes(128) + b"DICM", bytes(128) + b"DICM" + b"\xff" * 300])
def test_a_dicom_file_that_says_nothing_of_image_and_patient_is_told(
    deliveries: Deliveries, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    deliveries.add(data)
    with told_archive() as archive:
        deliveries.deliver(archive.port)
        assert archive.received == []
    assert "without SOPInstanceUID, SeriesInstanceUID, PatientID and PatientName" in caplog.text


def test_an_image_that_is_gone_is_not_taken_for_delivered(deliveries: Deliveries) -> None:
    (pending,) = deliveries.store.outbox.pending("archive")
    deliveries.store.path_of(pending.digest).unlink()
    assert "not in the store" in deliveries.refused(1)


def test_a_map_that_cannot_be_made_holds_up_no_report(deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch) -> None:
    from fisherlens.edge.service.destinations import dicom

    def broken(*arguments: object) -> Dataset:
        raise ValueError

    monkeypatch.setattr(dicom, "map_image", broken)
    with told_archive() as archive:
        assert "the picture cannot be made" in deliveries.refused(archive.port)
        monkeypatch.undo()
        deliveries.deliver(archive.port)
        assert archive.classes() == [SR, PICTURE]


def test_sent_again_it_is_the_same_object_to_the_byte(deliveries: Deliveries) -> None:
    with told_archive() as archive:
        for _ in range(2):
            deliveries.deliver(archive.port, maps=["picture", "segmentation"])
            (pending,) = deliveries.store.outbox.pending("archive")
            deliveries.store.outbox.abandon(pending.id, "archive")
            deliveries.store.outbox.take_up(pending.id, "archive")
    assert archive.received[:3] == archive.received[3:]
