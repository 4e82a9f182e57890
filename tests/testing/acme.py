"""The example package, imported from where it lies: it is not installed where these tests run."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[2] / "docs" / "examples" / "handrail-acme"
if str(FOLDER) not in sys.path:
    sys.path.append(str(FOLDER))


def double() -> ModuleType:
    """The package's own double; its folder is named `tests`, as ours is, hence by its place."""
    name = "handrail_acme_double"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, FOLDER / "tests" / "double.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
