"""`python -m tests.soak PART [...]`: long runs with faults, by a seed; `make soak` runs them all.

A part is a module of this folder with `main(arguments) -> exit status`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent


def main(arguments: list[str]) -> int:
    """Runs the part that is named first; 2 when there is none of that name."""
    parts = sorted(path.stem for path in HERE.glob("*.py") if "def main(" in path.read_text(encoding="utf-8"))
    parts.remove(Path(__file__).stem)
    if not arguments or arguments[0] not in parts:
        print(f"usage: python -m tests.soak {' | '.join(parts)}", file=sys.stderr)
        return 2
    done: int = import_module(f"tests.soak.{arguments[0]}").main(arguments[1:])
    return done


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
