"""What a schema cannot see: whether the parts of one instrument agree with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from ...schemas.records import Instrument, Item, ScoreDefinition
from ..words import mark, tr

NO_LINE = mark("there is no line {line}")
_TINY = 1e-9


def faults(instrument: Instrument) -> tuple[str, ...]:
    """Every contradiction in the instrument as `path: message`; none for one that can be asked and scored."""
    return tuple(_faults(instrument))


def _faults(instrument: Instrument) -> Iterator[str]:
    lines = {item.id: item for item in instrument.items}
    yield from _twice("items", (item.id for item in instrument.items))
    yield from _twice("scores", (score.id for score in instrument.scores))
    yield from _twice("straight_line", instrument.straight_line)
    yield from _twice("safety", (line.item for line in instrument.safety))
    for at, item in enumerate(instrument.items):
        yield from _item(f"items[{at}]", item)
    names = {score.id for score in instrument.scores}
    for at, score in enumerate(instrument.scores):
        yield from _score(f"scores[{at}]", score, lines, names)
    yield from _unknown("straight_line", instrument.straight_line, lines)
    for at, line in enumerate(instrument.safety):
        if line.item not in lines:
            yield f"safety[{at}].item: {tr(NO_LINE, line=line.item)}"
        elif line.at_least not in lines[line.item].values:
            yield f"safety[{at}].at_least: {tr('is not among the values of {line}', line=line.item)}"


def _item(path: str, item: Item) -> Iterator[str]:
    if not item.options:
        yield f"{path}.scale: {tr('there is no scale of that name under scales')}"
        return
    yield from _twice(f"{path} options", (option.code for option in item.options))
    yield from _twice(f"{path} labels", (option.label for option in item.options))
    yield from _twice(f"{path} values", (str(value) for value in item.values))
    if len(item.values) < 2:
        yield f"{path}: {tr('has fewer than two answers with a value')}"


def _score(path: str, score: ScoreDefinition, lines: dict[str, Item], names: set[str]) -> Iterator[str]:
    yield from _twice(f"{path}.items", score.items)
    missing = list(_unknown(f"{path}.items", score.items, lines))
    yield from missing
    if score.least > len(score.items):
        yield f"{path}.least: {tr('is more than the score has lines')}"
    if score.low >= score.high:
        yield f"{path}.low: {tr('is not below high')}"
    if (score.method == "special") != (score.scorer is not None):
        yield f"{path}.scorer: {tr('goes with the method special, and only with it')}"
    if score.beside is not None and (score.beside not in names or score.beside == score.id):
        yield f"{path}.beside: {tr('there is no other score of that name')}"
    if not missing and score.method != "special":
        yield from _bounds(path, score, [lines[name] for name in score.items])


def _bounds(path: str, score: ScoreDefinition, items: list[Item]) -> Iterator[str]:
    """A mean or a sum has the bounds that its options give it, or the file contradicts itself."""
    values = [item.values for item in items if item.values]
    if len(values) < len(items):
        return
    low, high = float(sum(v[0] for v in values)), float(sum(v[-1] for v in values))
    if score.method == "mean":
        if len({(v[0], v[-1]) for v in values}) > 1:
            yield f"{path}.items: {tr('a mean needs lines of one range')}"
            return
        low, high = float(values[0][0]), float(values[0][-1])
    for name, given, found in (("low", score.low, low), ("high", score.high, high)):
        if abs(given - found) > _TINY:
            yield f"{path}.{name}: {tr('the options give {number}', number=f'{found:g}')}"


def _unknown(path: str, names: Iterable[str], lines: dict[str, Item]) -> Iterator[str]:
    for name in names:
        if name not in lines:
            yield f"{path}: {tr(NO_LINE, line=name)}"


def _twice(path: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{path}: {tr('{name} stands there {count} times', name=name, count=count)}"
