"""An MQTT broker: every verdict is a message of one topic, with its identifier."""

from __future__ import annotations

import paho.mqtt.client as paho

from ..configuration import MqttTable
from ..store.outbox import Pending
from . import DeliveryFailed


class Mqtt:
    """Publishes `{"id": ..., "verdict": ...}` with QoS 1, which counts as delivered once the broker has said so.
    The connection is kept between verdicts."""

    def __init__(self, table: MqttTable) -> None:
        self.name = table.name
        self._table = table
        self._client: paho.Client | None = None

    def deliver(self, pending: Pending) -> None:
        """Publish one verdict. Raises DeliveryFailed."""
        where = f"MQTT broker {self._table.host}:{self._table.port}"
        try:
            if self._client is None:
                self._client = self._connected()
            sent = self._client.publish(self._table.topic, pending.line(), qos=1)
            sent.wait_for_publish(self._table.seconds)
        except (OSError, RuntimeError, ValueError) as error:
            self._disconnect()
            raise DeliveryFailed(f"{where}: {error}") from error
        if not sent.is_published():
            self._disconnect()
            raise DeliveryFailed(f"{where}: no answer within {self._table.seconds:g} s")

    def _connected(self) -> paho.Client:
        table = self._table
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=table.client_id, reconnect_on_failure=False)
        client.connect_timeout = table.seconds
        if table.authorities is not None:
            client.tls_set(ca_certs=str(table.authorities))
        if table.user is not None:
            password = table.password_file.read_text().strip() if table.password_file else None
            client.username_pw_set(table.user, password)
        client.connect(table.host, table.port)
        client.loop_start()
        return client

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None
