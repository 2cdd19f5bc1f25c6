"""What the service remembers: images and verdicts, deliveries, bundles that came into use."""

from .database import StoreFailed, StoreRefused
from .store import ImageTooLarge, Judged, SpoolFull, Store, verdict_id

__all__ = [
    "ImageTooLarge",
    "Judged",
    "SpoolFull",
    "Store",
    "StoreFailed",
    "StoreRefused",
    "verdict_id",
]
