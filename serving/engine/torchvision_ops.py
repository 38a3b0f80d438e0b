"""Let torchvision be imported beside a torch that its compiled library was not built for.

On a CPU-only machine pip brings torchvision's CUDA build, whose library cannot load; only two
operators' names are missed at import, and picture preprocessing needs neither of them.
"""

import importlib.util
from pathlib import Path

import torch

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def define_missing() -> None:
    """Declare the operators where torchvision's own library does not load; else do nothing."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    for library in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(library)
        except OSError:
            break
        return
    fragment = torch.library.Library("torchvision", "FRAGMENT")
    for operator in OPERATORS:
        if not hasattr(torch.ops.torchvision, operator.partition("(")[0]):
            fragment.define(operator)
    _kept_alive.append(fragment)


_kept_alive: list[torch.library.Library] = []  # a library's definitions end with it
