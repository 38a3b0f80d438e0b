"""Runs first in every Python process of the engine: this folder stands in its PYTHONPATH.

vLLM spawns workers and also starts plain `python -m` children to inspect a model, so what they all
need cannot be done in one program's main module. Costs nothing until torchvision is imported.
"""

import os
import signal
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any


class BeforeTorchvision(MetaPathFinder):
    """Declares torchvision's missing operators at its first import; finds no module itself."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Act on torchvision alone, once."""
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            # Last, so that nothing in front is hidden: the product may run from a clone.
            sys.path.append(str(Path(__file__).parents[3]))
            from serving.engine.torchvision_ops import define_missing  # noqa: PLC0415 — torch is slow

            define_missing()
        return None


sys.meta_path.insert(0, BeforeTorchvision())
if os.getpid() == 1:
    # A container's first process hears only the signals that it asks for, and vLLM asks after all
    # its imports: an earlier end of the pod would wait for the whole grace period.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
