"""The example package, imported from where it lies: it is not installed where these tests run.

After this module `handrail_acme` can be imported, and the package's own double as `handrail_acme_double`: its folder is
named `tests`, as ours is.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "examples" / "handrail-acme"
if str(FOLDER) not in sys.path:
    sys.path.append(str(FOLDER))

DOUBLE = importlib.util.spec_from_file_location("handrail_acme_double", FOLDER / "tests" / "double.py")
assert DOUBLE is not None
assert DOUBLE.loader is not None
if DOUBLE.name not in sys.modules:
    sys.modules[DOUBLE.name] = importlib.util.module_from_spec(DOUBLE)
    DOUBLE.loader.exec_module(sys.modules[DOUBLE.name])
