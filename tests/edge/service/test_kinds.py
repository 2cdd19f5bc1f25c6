"""Sources and destinations from one table each: a new one cannot be left out."""

from __future__ import annotations

import sys
from itertools import combinations_with_replacement
from pathlib import Path

import msgspec
import pytest

from fisherlens.edge.sandbox import Sandbox
from fisherlens.edge.service.configuration import (
    CameraTable,
    ConfigurationRefused,
    DestinationTables,
    MqttTable,
    SourceTables,
    StoreTable,
    read_configuration,
)
from fisherlens.edge.service.kinds import DESTINATIONS, SOURCES, Surroundings
from fisherlens.edge.service.store import Store

DESTINATION = {
    "json-lines": 'path = "verdicts.jsonl"',
    "mqtt": 'host = "broker"\ntopic = "verdicts"',
    "archive": 'host = "pacs"\nport = 104\nae-title = "PACS"',
}
"""Tables of each kind of destination, without their names."""


def test_every_kind_that_can_be_configured_can_be_opened_and_no_other() -> None:
    assert tuple(SOURCES) == SourceTables.__struct_fields__
    assert tuple(DESTINATIONS) == DestinationTables.__struct_fields__


@pytest.mark.parametrize("kinds", list(combinations_with_replacement(DESTINATION, 2)))
def test_two_destinations_of_one_name_are_refused_whichever_kinds_they_are(
    kinds: tuple[str, str], tmp_path: Path
) -> None:
    assert set(DESTINATION) == {field.encode_name for field in msgspec.structs.fields(DestinationTables)}
    path = tmp_path / "service.toml"
    path.write_text('[bundle]\npath = "a.onnx"\n[store]\nfolder = "store"\n')
    with path.open("a") as file:
        for kind in kinds:
            file.write(f'[[destination.{kind}]]\nname = "one"\n{DESTINATION[kind]}\n')
    with pytest.raises(ConfigurationRefused, match="two destinations are named 'one'"):
        read_configuration(path)


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(Store(StoreTable(folder=tmp_path / "store")), lambda: "sha256:0", Sandbox, list)


def test_a_source_or_destination_whose_library_is_missing_names_the_extra(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("gi", "paho.mqtt.client"):
        monkeypatch.setitem(sys.modules, module, None)
    for module in ("sources.camera", "destinations.mqtt"):
        monkeypatch.delitem(sys.modules, f"fisherlens.edge.service.{module}", raising=False)
    with pytest.raises(ConfigurationRefused, match=r"^camera: .*pip install 'fisherlens\[camera\]'"):
        SOURCES["camera"](CameraTable(device="one"), around)
    with pytest.raises(ConfigurationRefused, match=r"^mqtt: .*pip install 'fisherlens\[mqtt\]'"):
        DESTINATIONS["mqtt"](MqttTable(name="one", host="broker", topic="verdicts"), around)
