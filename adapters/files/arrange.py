"""Settles with a person how new files are read: shows what was found in them, asks what cannot be told, keeps it.

Nothing is confirmed silently: without a person everything must follow from the file or be given with --answer, and
--confirm says yes to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from ...plugin_core.contracts import AdapterContext, Dialogue
from ...plugin_core.words import kept, mark, tr, trn
from . import dates
from .faults import LONG_IDS, WHICH_SHEET, Changing, FileFault
from .folder import Folder, Found
from .guess import Look, laid_out, look, missing, preset_for, roles_of, rounded
from .layout import LONG, NEEDED, ROLES, WIDE, Layout, Layouts, zone_of
from .reading import NEAR, Practice, known, layout_of
from .tables import ASCII, UTF8, How, Scan, detect, scan, table

NONE = "-"
LAYOUTS = {WIDE: mark("wide: one row for each filled-in form"), LONG: mark("long: one row for each answer")}
NAMES_AS_CLIENT = mark(
    "The column of clients holds no digits: if these are names, two clients of one name would be read as one. Choose a "
    "column with a number where there is one."
)


@dataclass(frozen=True, slots=True)
class _Group:
    """Files of one kind that nobody has confirmed, shown by the newest of them."""

    found: Found
    scan: Scan
    how: How
    headings: tuple[str, ...]
    others: int = 0


def arrange(context: AdapterContext, dialogue: Dialogue) -> Sequence[str]:
    """See `AdapterSpec.arrange`: every kind of file in the folder that no confirmed layout fits."""
    assert context.own is not None  # noqa: S101 - the core hands one over; `FilesAdapter` says so where it does not
    path = Path(context.settings["folder"]).expanduser()
    folder = Folder(
        path if path.is_absolute() else context.own / path,
        context.settings.get("settle_seconds", 10),
        context.now,
        context.sleep,
    )
    layouts = Layouts(context.own)
    practice = Practice(context.hash, context.zone, context.now)
    found, left = folder.tables()
    groups, faults = _groups(found, layouts.all(), practice, dialogue)
    open_still = [*left, *faults]
    for group in groups:
        why = _settle(group, layouts, context, dialogue)
        if why:
            open_still.append(tr("{file} is not read yet: {why}.", file=group.found.shown, why=why))
    return open_still


def _groups(
    found: Sequence[Found], layouts: list[Layout], practice: Practice, dialogue: Dialogue
) -> tuple[list[_Group], list[str]]:
    groups: dict[tuple[str, frozenset[str]], _Group] = {}
    faults: list[str] = []
    for one in found:
        try:
            known(one, layouts, practice)
            continue
        except Changing:
            continue
        except FileFault as fault:
            own_fault = fault
        try:
            looked = scan(one.path)
            _is_of_none(one, looked, layouts, own_fault)
            how = _how(one, looked, dialogue)
            with table(one.path, how) as rows:
                headings = rows.headings
        except (FileFault, Changing) as fault:
            why = kept.told(fault.why) if isinstance(fault, FileFault) else tr("it is being written")
            faults.append(tr("{file} is not read yet: {why}.", file=one.shown, why=why))
            continue
        key = (how.kind, frozenset(headings))
        others = groups[key].others + 1 if key in groups else 0
        groups[key] = _Group(one, looked, how, headings, others)
    return list(groups.values()), faults


def _is_of_none(one: Found, looked: Scan, layouts: list[Layout], fault: FileFault) -> None:
    """Raises what is wrong with a file whose columns are confirmed: the file is to be mended, not its layout."""
    try:
        layout_of(one, looked, layouts)
    except FileFault:
        return
    raise fault


def _how(one: Found, looked: Scan, dialogue: Dialogue) -> How:
    if looked.kind != "xlsx":
        if looked.sure:
            return detect(one.path, looked, UTF8 if looked.encoding == ASCII else looked.encoding)
        question = tr("In which encoding is {file}? (windows-1252, iso-8859-15, mac-roman, cp1250 ...)", file=one.shown)
        chosen = dialogue.choose("encoding", question, {}, None)
        return replace(detect(one.path, looked, chosen), sure=chosen is not None)
    from .xlsx import sheets

    visible, hidden = sheets(one.path)
    if hidden:
        listed = ", ".join(hidden)
        dialogue.show(one.shown, [(tr("hidden sheets, not read"), listed)])
    if len(visible) == 1:
        return How("xlsx")
    choices = {name: tr("visible") for name in visible} | {name: tr("hidden") for name in hidden}
    chosen = dialogue.choose("sheet", tr("Which sheet of {file} holds the answers?", file=one.shown), choices, None)
    if chosen is None:
        raise FileFault(WHICH_SHEET)
    return How("xlsx", sheet=chosen)


def _settle(group: _Group, layouts: Layouts, context: AdapterContext, dialogue: Dialogue) -> str:
    """Shows one kind of file, asks what is open, stores what was agreed; gives why it is still open, if it is."""
    try:
        with table(group.found.path, group.how) as rows:
            seen = look(rows)
    except FileFault as fault:
        return kept.told(fault.why)
    if not group.how.sure:
        return tr("nobody said in which encoding it is (--answer encoding=NAME)")
    near = max(layouts.all(), key=lambda one: one.near(group.headings), default=None)
    near = near if near is not None and near.kind == group.how.kind and near.near(group.headings) >= NEAR else None
    ready = preset_for(group.headings)
    roles = _roles(seen, near, ready)
    _show(group, seen, near, ready, roles, dialogue)
    roles, layout = _ask_roles(seen, roles, dialogue)
    if lacking := missing(layout, roles):
        return tr(
            "no column was named for {role} (--answer {name}=HEADING)", role=tr(ROLES[lacking[0]]), name=lacking[0]
        )
    if any(rounded(seen, seen.headings.index(roles[role])) for role in ("client", "id") if role in roles):
        return kept.told(LONG_IDS)
    order = _order(seen, roles["date"], dialogue)
    if order is None:
        return tr(
            "the order of day and month in its dates is not settled (--answer dates=dmy, or mdy, ymd, serial-1900, "
            "serial-1904)"
        )
    decimal = seen.decimal or dialogue.choose(
        "decimal", tr("Which sign stands before decimals?"), {",": "", ".": ""}, None
    )
    if decimal is None:
        return tr("the sign before decimals is not settled (--answer decimal=, or decimal=.)")
    others = {one.name: one for one in layouts.all() if one.kind != group.how.kind}
    made = _layout(group, seen, near, ready, roles, layout, order, decimal, others, dialogue)
    if isinstance(made, str):
        return made
    if not dialogue.agree(tr("Read such files like this?")):
        return tr("nobody has confirmed it (on a terminal handrail connect files, elsewhere with --confirm)")
    at = datetime.fromtimestamp(context.now(), UTC)
    layouts.save(replace(made, confirmed=at, confirmed_by=dialogue.who))
    return ""


def _roles(seen: Look, near: Layout | None, ready: Mapping[str, Any] | None) -> dict[str, str]:
    if near is not None:
        kept_roles = {role: heading for role, heading in near.columns.items() if heading in seen.headings}
        if not missing(near.layout, kept_roles):
            return kept_roles
    return roles_of(seen, ready["columns"] if ready else None)


def _show(
    group: _Group, seen: Look, near: Layout | None, ready: Mapping[str, Any] | None, roles: Mapping[str, str],
    dialogue: Dialogue,
) -> None:  # fmt: skip
    """What a person looks at before the first import."""
    facts = [(tr("kind"), group.how.kind.upper()), (tr("rows"), str(seen.rows))]
    if group.others:
        facts.append((tr("other files with these columns"), str(group.others)))
    if group.how.encoding:
        facts.append((tr("encoding"), group.how.encoding))
    if group.how.delimiter:
        facts.append((tr("cells are parted by"), {"\t": tr("tab")}.get(group.how.delimiter, group.how.delimiter)))
    if group.how.sheet:
        facts.append((tr("sheet"), group.how.sheet))
    if near is not None:
        gone, new = near.difference(group.headings)
        facts.append((tr("looks like the layout"), near.name))
        facts += [(tr("missing against it"), ", ".join(gone))] if gone else []
        facts += [(tr("new against it"), ", ".join(new))] if new else []
    if ready is not None:
        facts.append((tr("ready layout (never seen by us: check it)"), ready["title"]))
    by_heading = {heading: tr(ROLES[role]) for role, heading in roles.items()}
    for index, heading in enumerate(seen.headings):
        shapes = " | ".join(dict.fromkeys(row[index] for row in seen.shapes if index < len(row)))
        what = by_heading.get(heading, tr("a question") if laid_out(roles) == WIDE else tr("not read"))
        facts.append((heading or tr("(no heading)"), f"{what}: {shapes}"))
    dialogue.show(group.found.shown, facts, list(_remarks(seen, roles)))


def _remarks(seen: Look, roles: Mapping[str, str]) -> Sequence[str]:
    said = []
    if seen.formulas:
        said.append(
            trn(
                "{count} cell holds a formula. Rows that need such a cell are set aside: export values instead.",
                "{count} cells hold formulas. Rows that need such cells are set aside: export values instead.",
                seen.formulas,
            )
        )
    if "client" in roles:
        values = seen.values.get(seen.headings.index(roles["client"]), set())
        if values and not any(letter.isdigit() for value in values for letter in value):
            said.append(tr(NAMES_AS_CLIENT))
    if "id" not in roles:
        said.append(
            tr(
                "No column numbers the filled-in forms: client, day and form together stand for one. Two forms of one "
                "client on one day cannot be told apart."
            )
        )
    return said


def _ask_roles(seen: Look, roles: dict[str, str], dialogue: Dialogue) -> tuple[dict[str, str], str]:
    """The columns' roles as the person has them; `-` is: no column."""
    layout = dialogue.choose("layout", tr("How is the table laid out?"), _told(LAYOUTS), laid_out(roles)) or WIDE
    choices = {heading: "" for heading in seen.headings if heading} | {NONE: tr("no column")}
    chosen: dict[str, str] = {}
    for role in ROLES:
        if layout == WIDE and role in ("question", "answer"):
            continue
        question = tr("Which column is {role}?", role=tr(ROLES[role]))
        heading = dialogue.choose(role, question, choices, roles.get(role, None if role in NEEDED[layout] else NONE))
        if heading is not None and heading != NONE:
            chosen[role] = heading
    return chosen, layout


def _order(seen: Look, heading: str, dialogue: Dialogue) -> str | None:
    """The order of the dates: shown where only one is possible, asked where there are more, never guessed."""
    index = seen.headings.index(heading)
    possible = [order for order in dates.TITLES if order in seen.orders.get(index, set())]
    if not possible:
        return None
    only = possible[0] if len(possible) == 1 else None
    return dialogue.choose(
        "dates", tr("In which order are the dates written?"), {one: tr(dates.TITLES[one]) for one in possible}, only
    )


def _layout(
    group: _Group, seen: Look, near: Layout | None, ready: Mapping[str, Any] | None, roles: dict[str, str], layout: str,
    order: str, decimal: str, others: Mapping[str, Layout], dialogue: Dialogue,
) -> Layout | str:  # fmt: skip
    """The layout as it was settled. The same table as CSV and as Excel is one form in two layouts, neither of which
    takes the other's place."""
    goes_on = near is not None and all(near.columns.get(role) == heading for role, heading in roles.items())
    proposed = near.name if near is not None and goes_on else _name(group, ready)
    name = dialogue.choose("layout-name", tr("What is this kind of file called?"), {}, proposed) or proposed
    name = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:40] or proposed
    twin = near or others.get(name)
    form = name if twin is None else twin.form
    name = f"{name[:35]}-{group.how.kind}" if name in others else name
    if "form" not in roles:
        form = dialogue.choose("form-name", tr("What is the form called that these files hold?"), {}, form) or form
    zone = dialogue.choose("zone", tr("In which time zone are its times? (- is the practice's)"), {}, NONE)
    if zone not in (None, NONE) and zone_of(zone) is None:
        return tr("there is no time zone of that name")
    headings: tuple[tuple[str, ...], ...] = (group.headings,)
    if near is not None and goes_on and near.name == name:
        headings = (*near.headings, *([group.headings] if group.headings not in near.headings else []))
    return Layout(
        name=name,
        kind=group.how.kind,
        layout=layout,
        form=form,
        headings=headings,
        columns=roles,
        dates=order,
        encoding=group.how.encoding,
        delimiter=group.how.delimiter,
        sheet=group.how.sheet,
        decimal=decimal,
        client_digits=seen.digits(seen.headings.index(roles["client"])),
        zone=None if zone in (None, NONE) else zone,
    )


def _name(group: _Group, ready: Mapping[str, Any] | None) -> str:
    """A name that says nothing of a file's own name, which may hold a client's."""
    if ready is not None:
        return str(ready["name"])
    return "table-" + sha256("|".join(sorted(group.headings)).encode()).hexdigest()[:6]


def _told(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: tr(text) for name, text in texts.items()}
