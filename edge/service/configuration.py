"""The configuration that an administrator writes: one TOML file."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from ..errors import EdgeError
from ..runtime import Explain
from ..sandbox import MOST_BYTES, MOST_SECONDS

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Bytes = Annotated[int, msgspec.Meta(ge=1)]
AETitle = Annotated[str, msgspec.Meta(pattern=r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9 _.-]{1,64}$")]

CodeText = Annotated[str, msgspec.Meta(pattern=r"^[^\s\\]([^\\\x00-\x1f\x7f-\x9f]{0,62}[^\s\\])?$")]
"""One value of a DICOM long string: up to 64 characters without backslashes and controls."""
MapForm = Literal["picture", "parametric map", "segmentation"]


class ConfigurationRefused(EdgeError):
    """The configuration cannot be used."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A table of the file, whose keys are these fields' names with hyphens."""


class BundleTable(Table, frozen=True, kw_only=True):
    """The bundle that scores. path: of its file, with its signature beside it. trusted_keys: folder of public keys;
    None runs a bundle whoever signed it."""

    path: Path
    trusted_keys: Path | None = None


class StoreTable(Table, frozen=True, kw_only=True):
    """The service's memory. folder: of the database and the images. most_image_bytes: a larger file is not taken from
    any source. most_waiting_bytes: images beyond this are not taken until some are scored. keep_images_days: how long
    an image stays that is scored and delivered everywhere; its verdicts stay for good."""

    folder: Path
    most_image_bytes: Bytes = 2**28
    most_waiting_bytes: Bytes = 10 * 2**30
    keep_images_days: Annotated[float, msgspec.Meta(gt=0)] = 90.0


class ScoringTable(Table, frozen=True, kw_only=True):
    """Bounds on scoring an image. decoding_seconds, decoding_bytes: what the process that reads files may take for one
    frame. most_seconds: an image that is scored for longer means that the service hangs, and ends it to be started
    again. explain: when a verdict has its map."""

    explain: Explain = "flagged"
    most_seconds: Seconds = 600.0
    decoding_seconds: Seconds = MOST_SECONDS
    decoding_bytes: Bytes = MOST_BYTES


class FolderTable(Table, frozen=True, kw_only=True):
    """A watched folder. pattern: of file names. settle_seconds: a file counts as written when its size and
    time have not changed for so long. every_seconds: between two looks."""

    path: Path
    pattern: str = "*"
    settle_seconds: Seconds = 2.0
    every_seconds: Seconds = 1.0


class TlsTable(Table, frozen=True, kw_only=True):
    """PEM files: this end's certificate and key, and the authorities whose certificates the other end's must
    be of; None asks for no certificate."""

    certificate: Path
    key: Path
    authorities: Path | None = None

    def server_context(self) -> ssl.SSLContext:
        """Make the context of a server, TLS 1.2 or newer, with a certificate asked of the client where there are
        authorities (PS3.15 B.12: BCP 195). Raises OSError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        if self.authorities is not None:
            context.load_verify_locations(self.authorities)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self) -> ssl.SSLContext:
        """Make the context of a client, TLS 1.2 or newer, that asks the server for a certificate of the authorities, or
        of the system's where there are none. Raises OSError."""
        context = ssl.create_default_context(cafile=self.authorities)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        return context


class PeerTable(Table, frozen=True, kw_only=True):
    """A peer that may send: an AE title at an address."""

    ae_title: AETitle
    address: str


class DicomSourceTable(Table, frozen=True, kw_only=True):
    """A DICOM receiver. peers: who may send, nobody else. idle_seconds: after which an association that says
    nothing is ended. The AE title is case sensitive."""

    port: Port
    peers: Annotated[tuple[PeerTable, ...], msgspec.Meta(min_length=1)]
    ae_title: AETitle = "FISHERLENS"
    address: str = "127.0.0.1"
    most_associations: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    most_pdu_bytes: Annotated[int, msgspec.Meta(ge=4096, le=2**20)] = 2**16
    idle_seconds: Seconds = 60.0
    tls: TlsTable | None = None


class WebTable(Table, frozen=True, kw_only=True):
    """A server over HTTP: for this machine alone, unless `address` says otherwise."""

    port: Port
    address: str = "127.0.0.1"
    most_connections: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20


class HttpTable(WebTable, frozen=True, kw_only=True):
    """The endpoint that images are handed in to. token_file: holds what a client must show for it, 16 characters
    or more."""

    token_file: Path


class PageTable(WebTable, frozen=True, kw_only=True):
    """The operator's page, with health and metrics. charted: how many verdicts its control charts show."""

    charted: Annotated[int, msgspec.Meta(ge=20, le=1000)] = 100


class StandardInputTable(Table, frozen=True, kw_only=True):
    """Lines of JSON with the paths of images on standard input. folder: relative paths count from it, and no path
    may lead out of it."""

    folder: Path


class CameraTable(Table, frozen=True, kw_only=True):
    """A GigE Vision camera. device: its address, or its identifier as `arv-tool-0.8` lists it. pixel_format: of the
    GenICam standard. features: further GenICam features by name, set in this order before acquisition starts.
    most_idle_seconds: without a frame for so long, the camera is opened anew."""

    device: str
    pixel_format: Literal["Mono8", "Mono10", "Mono12", "Mono14", "Mono16"] = "Mono16"
    features: dict[str, float | int | bool | str] = {}
    buffers: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 10
    most_idle_seconds: Seconds = 10.0


class Kinds(Table, frozen=True, kw_only=True):
    """Tables of several kinds, a field a kind: a table or None, or any number of tables."""

    def all(self) -> Iterator[tuple[str, Any]]:
        """Give all tables that the file has, each with its kind, in the order of the fields."""
        for kind in self.__struct_fields__:
            value = getattr(self, kind)
            for table in value if isinstance(value, tuple) else (value,):
                if table is not None:
                    yield kind, table


class SourceTables(Kinds, frozen=True, kw_only=True):
    """The sources, which images come from."""

    folder: tuple[FolderTable, ...] = ()
    camera: tuple[CameraTable, ...] = ()
    standard_input: StandardInputTable | None = None
    dicom: DicomSourceTable | None = None
    http: HttpTable | None = None


class DestinationTable(Table, frozen=True, kw_only=True):
    """A destination. name: by which the store remembers what it has been given."""

    name: Name


class JsonLinesTable(DestinationTable, frozen=True, kw_only=True):
    """A file to which every verdict is appended as a line of JSON."""

    path: Path


class CodeTable(Table, frozen=True, kw_only=True):
    """A site's code for a concept. ours: the code that stands there otherwise, which for measurands, checks and classes
    has their names. value, scheme, meaning: of the site's, as DICOM writes codes (PS3.3 8)."""

    ours: CodeText
    value: CodeText
    scheme: Annotated[str, msgspec.Meta(pattern=r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$")]
    meaning: CodeText


class DicomDestinationTable(DestinationTable, frozen=True, kw_only=True):
    """A DICOM archive. reports: are sent to it. maps: in which forms maps are sent to it; true is a picture, false is
    none. device_serial_number: of this machine in all that is sent; None is one that is made of the machine's own
    identity. code: a site's codes in place of ours. seconds: the archive is waited for."""

    host: str
    port: Port
    ae_title: AETitle
    calling_ae_title: AETitle = "FISHERLENS"
    reports: bool = True
    maps: bool | tuple[MapForm, ...] = True
    device_serial_number: CodeText | None = None
    code: tuple[CodeTable, ...] = ()
    seconds: Seconds = 30.0
    tls: TlsTable | None = None

    @property
    def map_forms(self) -> tuple[MapForm, ...]:
        """The forms in which maps are sent."""
        if isinstance(self.maps, bool):
            return ("picture",) if self.maps else ()
        return tuple(dict.fromkeys(self.maps))


class MqttTable(DestinationTable, frozen=True, kw_only=True):
    """A broker to which every verdict is published, at least once (QoS 1). authorities: PEM file of those that
    signed the broker's certificate; given, TLS is used. password_file: of `user`. seconds: it is waited for."""

    host: str
    topic: Annotated[str, msgspec.Meta(pattern=r"^[^#+\x00]{1,200}$")]
    port: Port = 1883
    client_id: str = "fisherlens"
    user: str | None = None
    password_file: Path | None = None
    authorities: Path | None = None
    seconds: Seconds = 30.0


class DestinationTables(Kinds, frozen=True, kw_only=True):
    """The destinations, which verdicts go to."""

    json_lines: tuple[JsonLinesTable, ...] = ()
    mqtt: tuple[MqttTable, ...] = ()
    archive: tuple[DicomDestinationTable, ...] = ()


class Configuration(Table, frozen=True, kw_only=True):
    """The whole of the file."""

    bundle: BundleTable
    store: StoreTable
    scoring: ScoringTable = ScoringTable()
    source: SourceTables = SourceTables()
    destination: DestinationTables = DestinationTables()
    page: PageTable | None = None


def read_configuration(path: Path) -> Configuration:
    """Read and check the file; relative paths in it count from its folder.

    Raises ConfigurationRefused naming the key, what was given and what was expected.
    """
    folder = path.absolute().parent

    def decoded(kind: type, value: object) -> object:
        assert kind is Path
        if not isinstance(value, str):
            raise ValueError(f"Expected a path as `str`, got `{type(value).__name__}`")
        return folder / value

    try:
        found = msgspec.toml.decode(path.read_bytes(), type=Configuration, dec_hook=decoded)
    except OSError as error:
        raise ConfigurationRefused(f"configuration {path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationRefused(f"configuration {path}: {error}") from error
    for archive in found.destination.archive:
        ours = [code.ours for code in archive.code]
        if twice := {code for code in ours if ours.count(code) > 1}:
            raise ConfigurationRefused(f"configuration {path}: two codes for {sorted(twice)[0]!r} in {archive.name!r}")
    names = [table.name for _, table in found.destination.all()]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigurationRefused(f"configuration {path}: two destinations are named {sorted(twice)[0]!r}")
    return found
