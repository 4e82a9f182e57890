"""What clients have a right to: all about them in a readable form, a remark beside a form, to be erased.

docs/rights.md tells people what each gives, what must stay, and why.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import private
from ..errors import HandrailError, UsageError
from ..store import Tx, book, mend, record, remarks
from ..store.remarks import Remark
from ..sync.lock import exclusive
from ..sync.points import reach
from ..views import SHORT
from ..words import in_practice_language, tr
from ..words.kept import why_of
from .tables import Cell, as_csv

if TYPE_CHECKING:
    from ..engine import Engine

POINTS = (
    "erase-marked",
    "erase-retracted",
    "erase-before-commit",
    "erase-after-commit",
    "erase-cleaned",
)
PAGE, FACTS, ANSWERS, SCORES = "client.html", "client.json", "answers.csv", "scores.csv"
MOST_REMARK = 4000
MARK = "\ufeff"
"""Tells spreadsheet programs on Windows that a CSV file is UTF-8."""


@dataclass(slots=True)
class Erased:
    """What became of an erasure. `rows` by kind; `left_on_platform` entries that stay there by the practice's wish.

    `error` is what stopped it before anything was deleted; `unclean` says that the file could not be cleared yet.
    """

    client: str
    rows: Mapping[str, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    left_on_platform: int = 0
    still_there: int = 0
    again: bool = False
    error: HandrailError | None = None
    unclean: str | None = None

    @property
    def done(self) -> bool:
        """Whether everything that can be deleted is."""
        return self.error is None and not self.still_there and self.unclean is None


class Rights:
    """What one practice's clients have a right to.

    :param engine: the practice.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    # --- a client's remark -------------------------------------------------------------------------------------------

    def remark(self, form: str, text: str, author: str) -> Remark:
        """Writes down what a client says of a form; it is shown wherever the form is.

        :raises UsageError: it says nothing, or too much, or the form is not known.
        """
        said = text.strip()
        if not said or len(said) > MOST_REMARK:
            raise UsageError(tr("A remark has between 1 and {most_remark} letters.", most_remark=MOST_REMARK))
        row = self.engine.mending.form(form)
        item = Remark(row.key, row.client, self.engine.now(), said, author)

        def write(tx: Tx) -> None:
            remarks.add(tx, item)
            book.record(tx, author, "remark-added", row.key)

        self.engine.store.write(write, self.engine.source)
        return item

    def remarks_of(self, client: str) -> list[Remark]:
        """A client's remarks, oldest first. `client` is our key."""
        with self.engine.store.reading(self.engine.source) as tx:
            return remarks.of_clients(tx, [client]).get(client, [])

    # --- export ------------------------------------------------------------------------------------------------------

    @in_practice_language
    def facts(self, client: str) -> dict[str, Any]:
        """Everything that is kept of one client, as docs/json.md describes it."""
        from .gather import gather

        return gather(self.engine, self.engine.client_key(client))

    @in_practice_language
    def export(self, client: str, out: Path, author: str) -> list[Path]:
        """Writes everything about one client: a page, the facts as JSON, answers and scores as CSV.

        :param out: a folder that is made, or one file whose ending says which (.html, .json, .csv for the answers).
        :raises UsageError: something is there already; nothing is written over.
        """
        from .page import client_html

        view = self.engine.client(client)
        facts = self.facts(view.key)
        made = {
            PAGE: lambda: client_html(facts, view),
            FACTS: lambda: json.dumps(facts, ensure_ascii=False, indent=2) + "\n",
            ANSWERS: lambda: MARK + answers_csv(facts),
            SCORES: lambda: MARK + scores_csv(facts),
        }
        endings = {".html": PAGE, ".htm": PAGE, ".json": FACTS, ".csv": ANSWERS}
        one = endings.get(out.suffix.lower())
        wanted = {out: one} if one else {out / name: name for name in made}
        if there := [
            path for path in (out, *wanted) if path.exists() and not (path == out and out.is_dir() and not one)
        ]:
            raise UsageError(
                tr("There is something at {there} already. Nothing was written; choose another place.", there=there[0])
            )
        texts = {path: made[name]() for path, name in wanted.items()}
        self.engine.record(author, "client-exported", view.key)  # first: nothing leaves without its line (S41)
        for path, text in texts.items():
            _write_new(path, text)
        return list(wanted)

    # --- erase -------------------------------------------------------------------------------------------------------

    def to_erase(self, client: str) -> tuple[str, dict[str, int], int]:
        """What an erasure would take: our key, rows by kind, entries that stand on the platform."""
        key = self.engine.client_key(client)
        with self.engine.store.reading(self.engine.source) as tx:
            return key, record.count(tx, record.records_of(tx, key)), _standing(tx, key)

    def erase(self, client: str, author: str, *, leave: bool = False) -> Erased:
        """Erases a client here, after what was pushed of them is taken back; stopped in the middle, run it again.

        :param client: as for other commands; one who was erased already by the platform's reference or by our key.
        :param leave: leave what stands on the platform.
        :raises UsageError: the client is not known, or nobody has seen a safety answer of theirs.
        """
        from ..mending.leaving import demand_seen

        key = self._gone(client)
        with exclusive(self.engine.store, "erasing"):
            if key is not None:
                return Erased(key, again=True, unclean=record.clean(self.engine.store))
            done = Erased(self.engine.client_key(client))
            demand_seen(self.engine, done.client)
            self._retract(done, leave=leave)
            if done.error is None and not done.still_there:
                self._delete(done, author)
                done.unclean = record.clean(self.engine.store)
                reach("erase-cleaned")
        return done

    def readmit(self, client: str, author: str) -> bool:
        """Forms of a client who was erased are read again from the next full sync on; whether they had been erased."""
        key = self._gone(client)
        if key is None:
            return False

        def write(tx: Tx) -> bool:
            again = mend.readmit(tx, key)
            book.forget_cursors(tx)
            book.record(tx, author, "client-readmitted", key)
            return again

        return self.engine.store.write(write, self.engine.source)

    def erased(self, client: str) -> bool:
        """Whether a client of that reference, or of that key of ours, was erased here."""
        return self._gone(client) is not None

    def _gone(self, client: str) -> str | None:
        """Our key of a client who was erased already; None for one who is here."""
        by_ref = self.engine.store.sealer.hash("client", str(self.engine.source), client)
        with self.engine.store.reading(self.engine.source) as tx:
            erased = mend.erased_clients(tx)
        text = client.lower()
        if by_ref in erased:
            return by_ref
        return next((key for key in erased if len(text) >= SHORT and key.startswith(text)), None)

    def _retract(self, done: Erased, *, leave: bool) -> None:
        """First what the platform shows of them; each retraction is committed before the next is sent."""
        from ..mending.leaving import take_back, want_nothing_there

        engine, key = self.engine, done.client
        with engine.store.reading(engine.source) as tx:
            mine = _flags(tx, key)
            there = _standing(tx, key)
        if leave:
            done.left_on_platform = there
            return
        self._requests(done)
        if there and engine.settings.platform is None:
            done.still_there = there
            done.problems.append(tr("No platform is connected, so that nothing can be taken back there."))
        elif there:
            engine.store.write(lambda tx: want_nothing_there(tx, mine), engine.source)
            reach("erase-marked")
            done.error = take_back(engine, done.counts, done.problems, mine)
            reach("erase-retracted")
            with engine.store.reading(engine.source) as tx:
                done.still_there = _standing(tx, key)

    def _requests(self, done: Erased) -> None:
        """Requests that a channel holds are taken back, too; where that fails it is said, and stops nothing."""
        from ..store import asks

        engine = self.engine
        with engine.store.reading(engine.source) as tx:
            mine = asks.read(tx, clients=[done.client])
        live = [ask for ask in mine if ask.live]
        if not live and not any(ask.recall for ask in mine):
            return
        now = engine.now()
        engine.store.write(lambda tx: asks.close(tx, live, now), engine.source)
        try:
            done.problems += engine.collecting.recall().problems
        except HandrailError as error:
            done.problems.append(error.message)
        with engine.store.reading(engine.source) as tx:
            done.counts["requests_left"] = sum(ask.recall for ask in asks.read(tx, clients=[done.client]))

    def _delete(self, done: Erased, author: str) -> None:
        """One transaction: the rows, the mark that keeps the next pull from bringing them back, the audit entry."""

        def write(tx: Tx) -> dict[str, int]:
            keys = record.records_of(tx, done.client)
            record.scrub(tx, keys)
            rows = {name: number for name, number in record.erase(tx, keys).items() if number}
            detail = ", ".join(f"{number} {name}" for name, number in sorted(rows.items()))
            book.record(tx, author, "client-erased", done.client, detail)
            reach("erase-before-commit")
            return rows

        done.rows = self.engine.store.write(write, self.engine.source)
        reach("erase-after-commit")


def _standing(tx: Tx, client: str) -> int:
    """How many entries of a client's flags the platform shows, or may show."""
    from ..mending.leaving import standing

    return standing(tx, _flags(tx, client))


def _flags(tx: Tx, client: str) -> list[str]:
    return record.flags_of(tx, record.records_of(tx, client))


# --- tables ----------------------------------------------------------------------------------------------------------

ANSWER_COLUMNS = ("filled_in", "form", "version", "status", "counts", "line", "question", "answer", "words")
SCORE_COLUMNS = ("filled_in", "form", "version", "score", "title", "value", "answered", "of", "reason")


def answers_csv(facts: Mapping[str, Any]) -> str:
    """Every answer of every form, a line each."""
    return as_csv([{**_head(form), **one} for form in facts["forms"] for one in form["answers"]], ANSWER_COLUMNS)


def scores_csv(facts: Mapping[str, Any]) -> str:
    """Every score of every form, a line each."""
    return as_csv([{**_head(form), **one} for form in facts["forms"] for one in form["scores"]], SCORE_COLUMNS)


def _head(form: Mapping[str, Any]) -> dict[str, Cell]:
    return {
        "filled_in": form["filled_in"],
        "form": form["instrument"],
        "version": form["version"],
        "status": form["status"],
        "counts": form["counts"],
    }


def _write_new(path: Path, text: str) -> None:
    """A new file for its owner only (S31)."""
    try:
        private.create(path)
        with path.open("w", encoding="utf-8", newline="") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError:
        raise UsageError(tr("There is something at {path} already. It was left as it is.", path=path)) from None
    except OSError as error:
        raise UsageError(
            tr("{path} cannot be written ({why}). Choose another place.", path=path, why=why_of(error))
        ) from None
