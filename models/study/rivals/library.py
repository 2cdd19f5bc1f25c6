"""The rivals' library, pytorch-ood (Kirchheim et al. 2022), where it is installed."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch


class LibraryMissing(Exception):
    """pytorch-ood is not installed."""


@cache
def detectors() -> Any:
    """Import pytorch-ood's detectors. Raises LibraryMissing."""
    # torchvision's wheel in the index has its operators for CUDA only; nothing here runs them.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, operator):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    try:
        import pytorch_ood.detector as found
    except ImportError as error:
        raise LibraryMissing(
            f"{error}. Install it without what it would pull in, a torch with CUDA: "
            "pip install --no-deps pytorch-ood==0.4.0 torchvision==0.28.0"
        ) from error
    return found
