"""What the service remembers: images and verdicts, deliveries, bundles that came into use."""

from .database import StoreFailed, StoreRefused
from .store import ImageTooLarge, Judged, SpoolFull, Store, Waiting, verdict_id

__all__ = [
    "ImageTooLarge",
    "Judged",
    "SpoolFull",
    "Store",
    "StoreFailed",
    "StoreRefused",
    "Waiting",
    "verdict_id",
]
