"""Confirmed mappings as files that a person can read, one a form, beside the settings."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

from marshmallow import ValidationError

from ...schemas.mappings import MappingSchema
from ...schemas.problems import problems
from ...schemas.records import Mapping
from .. import private
from ..errors import InstrumentProblem
from ..words import tr
from ..words.kept import told


def load_all(folder: Path, platform: str) -> list[Mapping]:
    """All mappings of a platform.

    :raises InstrumentProblem: a file that cannot be read; the message names it and the place in it.
    """
    found = [_load(path) for path in sorted(folder.glob("*.json"))]
    return [mapping for mapping in found if mapping.platform == platform]


def _load(path: Path) -> Mapping:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        mapping: Mapping = MappingSchema().load(raw)
    except ValidationError as error:
        lines = "; ".join(problems(error, told))
        raise InstrumentProblem(
            tr("The mapping {path} cannot be used: {lines}. Run: handrail connect", path=path, lines=lines)
        ) from None
    except (OSError, ValueError, RecursionError):
        raise InstrumentProblem(
            tr("The mapping {path} is not a readable file. Run: handrail connect", path=path)
        ) from None
    return mapping


def save(folder: Path, mapping: Mapping) -> Path:
    """Writes a mapping, in place of an older one of the same form and version; gives its path."""
    path = folder / _name(mapping)
    private.write(path, json.dumps(MappingSchema().dump(mapping), ensure_ascii=False, indent=2) + "\n")
    return path


def _name(mapping: Mapping) -> str:
    """A file name that no form's name can turn into a path (S30)."""
    whole = f"{mapping.platform}|{mapping.form}|{mapping.form_version}"
    readable = re.sub(r"[^a-z0-9]+", "-", mapping.form.casefold().rsplit("/", 1)[-1]).strip("-")[:40]
    return f"{readable or 'form'}-{sha256(whole.encode()).hexdigest()[:8]}.json"
