"""The service's memory: images and verdicts, deliveries, bundles that came into use."""

from .database import StoreFailed, StoreRefused
from .store import ImageTooLarge, KeptVerdict, SpoolFull, Store, verdict_id

__all__ = [
    "ImageTooLarge",
    "KeptVerdict",
    "SpoolFull",
    "Store",
    "StoreFailed",
    "StoreRefused",
    "verdict_id",
]
