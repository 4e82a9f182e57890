"""Keeps the message catalogues in step with the sources: python -m tests.words.catalogue (or: make words).

Extracts every marked text into `handrail.pot`, brings each language's `.po` up to it and compiles its `.mo`. New
languages begin with: python -m tests.words.catalogue --new fr. Written without dates and line numbers, so that the same
sources give the same bytes; tests/words holds that.
"""

from __future__ import annotations

import argparse
import ast
import io
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from handrail.plugin_core.cli.helping import flat

TOP = Path(__file__).parents[2]
FOLDER = TOP / "plugin_core" / "words"
TEMPLATE = FOLDER / "handrail.pot"
ROOMS = ("plugin_core", "adapters", "schemas")


def python_texts(
    file: IO[bytes], keywords: Collection[str], comment_tags: object, options: object
) -> Iterator[tuple[int, str, str | tuple[str | None, ...], list[str]]]:
    """Texts of a Python file, read by its syntax: also those inside f-strings, which Babel's own reader passes over."""
    for node in ast.walk(ast.parse(file.read())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in keywords:
            found = tuple(
                one.value if isinstance(one, ast.Constant) and isinstance(one.value, str) else None for one in node.args
            )
            if found and found[0] is not None:
                yield node.lineno, node.func.id, found if len(found) > 1 else found[0], []
        if isinstance(node, ast.Call | ast.FunctionDef):
            yield from ((node.lineno, "mark", flat(text), []) for text in _help(node))


def _help(node: ast.Call | ast.FunctionDef) -> Iterator[str]:
    """Help that click shows: `help=` of its decorators, and the docstrings of commands and groups."""
    if isinstance(node, ast.Call) and _of_click(node, "option", "command", "group"):
        for given in node.keywords:
            if given.arg in ("help", "short_help") and isinstance(given.value, ast.Constant):
                yield str(given.value.value)
    if isinstance(node, ast.FunctionDef) and any(_of_click(one, "command", "group") for one in node.decorator_list):
        yield ast.get_docstring(node) or ""


def _of_click(node: ast.AST, *names: str) -> bool:
    """Whether this is a call such as `click.option(...)` or `cli.command(...)`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names


METHODS: list[tuple[str, Any]] = [("**.py", python_texts), ("**.html", "jinja2"), ("**.txt", "jinja2")]
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "tr": None,
    "mark": None,
    "trn": (1, 2),
    "markn": (1, 2),
    "trp": ((1, "c"), 2),
    "markp": ((1, "c"), 2),
}


def extracted() -> Catalog:
    """Every marked text of the sources, with the files where it stands."""
    found = _empty()
    for room in ROOMS:
        for name, _, message, comments, context in extract_from_dir(
            TOP / room, METHODS, {}, keywords=KEYWORDS, comment_tags=("Translators:",), strip_comment_tags=True
        ):
            found.add(message, None, [(f"{room}/{Path(name).as_posix()}", 0)], auto_comments=comments, context=context)
    return found


def _empty(language: str | None = None) -> Catalog:
    return Catalog(locale=language, project="Handrail", copyright_holder="The Handrail authors", charset="utf-8")


def read(path: Path) -> Catalog:
    """A catalogue from its file."""
    with path.open("rb") as file:
        return read_po(file, locale=None if path.suffix == ".pot" else path.stem)


def written(catalogue: Catalog) -> bytes:
    """A catalogue as its file has it: in the order of its texts, without dates and line numbers."""
    buffer = io.BytesIO()
    write_po(
        buffer, catalogue, width=120, sort_output=True, include_lineno=False, omit_header=True, ignore_obsolete=True
    )
    return _header(catalogue).encode() + buffer.getvalue()


def _header(catalogue: Catalog) -> str:
    lines = ["Project-Id-Version: Handrail", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8"]
    lines.append("Content-Transfer-Encoding: 8bit")
    if catalogue.locale:
        lines += [f"Language: {catalogue.locale}", f"Plural-Forms: {catalogue.plural_forms}"]
    body = "".join(f'"{line}\\n"\n' for line in lines)
    return f'msgid ""\nmsgstr ""\n{body}\n'


class _Dateless(Catalog):
    """A catalogue whose header says how to read it and nothing else: Babel's own has today's date."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        """What the compiled file says of itself."""
        return [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Language", str(self.locale)),
            ("Plural-Forms", str(self.plural_forms)),
        ]


def compiled(catalogue: Catalog) -> bytes:
    """The catalogue as `gettext` reads it; nothing fuzzy goes in."""
    plain = _Dateless(locale=catalogue.locale, charset="utf-8", header_comment="")
    for message in catalogue:
        if message.id and not message.fuzzy and all(strings(message)):
            plain.add(message.id, message.string, context=message.context)
    buffer = io.BytesIO()
    write_mo(buffer, plain)
    return buffer.getvalue()


def languages() -> list[Path]:
    """The catalogues of all languages."""
    return sorted(FOLDER.glob("*.po"))


def update(new: str | None = None) -> int:
    """Writes template, catalogues and what is compiled of them; gives how many texts lack a translation."""
    template = extracted()
    TEMPLATE.write_bytes(written(template))
    if new is not None and not (FOLDER / f"{new}.po").exists():
        (FOLDER / f"{new}.po").write_bytes(written(_empty(new)))
    lacking = 0
    for path in languages():
        catalogue = read(path)
        catalogue.update(template, no_fuzzy_matching=True)
        path.write_bytes(written(catalogue))
        path.with_suffix(".mo").write_bytes(compiled(catalogue))
        empty = [message for message in catalogue if message.id and not all(strings(message))]
        lacking += len(empty)
        print(f"{path.name}: {len(catalogue)} texts, {len(empty)} without translation")
    return lacking


def strings(message: Message) -> list[str]:
    """The translations of one text, one for each plural form; empty ones where there is none."""
    found = message.string
    return [found or ""] if found is None or isinstance(found, str) else [one or "" for one in found]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--new", metavar="LANGUAGE", help="begin a language, as fr")
    sys.exit(1 if update(parser.parse_args().new) else 0)
