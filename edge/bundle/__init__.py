"""The bundle: one ONNX file with its manifest. What it is, who vouches for it, and what it must compute."""

from .opening import Bundle, Session, bundle_of, open_bundle, open_session, read_bundle

__all__ = ["Bundle", "Session", "bundle_of", "open_bundle", "open_session", "read_bundle"]
