"""Destinations, which verdicts go to: one module a kind. A destination is a name and a function that delivers one
verdict, or raises DeliveryFailed; it may be called again with a verdict that it has delivered."""

from __future__ import annotations

from typing import Protocol

from ...errors import EdgeError
from ..store.outbox import Pending


class DeliveryFailed(EdgeError):
    """A destination has not taken a verdict, which stays pending."""


class Destination(Protocol):
    """One place that verdicts are delivered to."""

    name: str

    def deliver(self, pending: Pending) -> None:
        """Deliver one verdict. Raises DeliveryFailed."""
