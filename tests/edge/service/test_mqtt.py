"""Verdicts to a broker: mosquitto."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from .ports import free_port, wait_for_port
from .running import Running
from .test_service import png

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto") is None, reason="mosquitto is not installed (Debian: mosquitto)"
)
TOPIC = "instruments/3/verdicts"


@dataclass
class Broker:
    """mosquitto, and what a subscriber got from it."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    heard: list[tuple[str, dict]] = field(default_factory=list)

    def start(self) -> None:
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self.process = subprocess.Popen(["mosquitto", "-c", str(configuration)], stderr=subprocess.DEVNULL)
        wait_for_port(self.port)
        subscriber = paho.Client(paho.CallbackAPIVersion.VERSION2)
        subscriber.on_message = lambda client, data, message: self.heard.append(
            (message.topic, json.loads(message.payload))
        )
        subscriber.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        subscriber.connect("127.0.0.1", self.port)
        subscriber.loop_start()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


def table(broker: Broker) -> str:
    return f"""
        [[destination.mqtt]]
        name = "broker"
        host = "127.0.0.1"
        port = {broker.port}
        topic = "{TOPIC}"
        seconds = 5
        """


def test_every_verdict_is_published(service: Callable[..., Running], broker: Broker) -> None:
    running = service(extra=table(broker))
    running.start()
    for seed in range(3):
        (running.inbox / f"{seed}.png").write_bytes(png(seed))
    running.wait_for(lambda: len(broker.heard) == 3, "three messages")
    assert running.stop() == 0
    assert {topic for topic, _ in broker.heard} == {TOPIC}
    stored = {identifier for identifier, _ in running.store().verdicts()}
    assert {message["id"] for _, message in broker.heard} == stored
    assert {message["verdict"]["source"] for _, message in broker.heard} == {"0.png", "1.png", "2.png"}


def test_a_broker_that_was_away_gets_everything_when_it_is_back(
    service: Callable[..., Running], broker: Broker
) -> None:
    running = service(extra=table(broker))
    running.start()
    (running.inbox / "0.png").write_bytes(png(0))
    running.wait_for(lambda: len(broker.heard) == 1, "the first message")
    broker.stop()
    (running.inbox / "1.png").write_bytes(png(1))
    running.wait_for(lambda: "delivery to broker: " in running.log.read_text(), "a failed delivery")
    broker.start()
    running.wait_for(lambda: ("broker", "pending") not in running.store().outbox.counts(), "the delivery")
    running.wait_for(lambda: len(broker.heard) >= 2, "the second message")
    assert running.stop() == 0
