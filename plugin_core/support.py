"""The support matrix: what each platform can do and how far that was tested, made from what adapters declare.

`docs/platforms/README.md` is the page that `handrail plugins --platforms --markdown` prints; a test holds it to this.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .contracts import AdapterSpec, Capabilities, Support
from .words import Texts, mark

TESTED = Texts(
    {
        "live": mark("on real servers"),
        "contract": mark("against the vendor's contract"),
        "third-party contract": mark("against a contract that a third party wrote"),
        "hand-made": mark("on the tests' own server or files alone"),
    }
)
CAN = {
    "lists_forms": "lists its forms",
    "publishes": "takes our forms",
    "sends": "asks clients",
    "delivers": "hands our links over",
    "hears": "webhooks",
    "reports_deletions": "tells of deletions",
    "gives_clinicians": "gives names and therapists",
    "gives_sessions": "gives attended sessions",
    "tells_accounts": "says whose account it is",
}
"""The columns of the page, which is in English."""
HEAD = """# Platforms

This page is made from what the adapters declare of themselves (`handrail plugins --platforms --markdown`); a test holds
it to them. **How far tested** says on what: *on real servers*: programs that nobody of this project wrote; *against the
vendor's contract*: each request and each answer of the tests was checked by the vendor's own machine-readable
description; *against a contract that a third party wrote*: the same, by somebody else's; *on the tests' own server or
files alone*: by the documentation only. No adapter was run on a real practice's account.

A platform that is not here can be connected by files, if it can export answers as a table, or by an adapter of its own:
see [Adding a platform](../../ADDING_A_PLATFORM.md).
"""


@dataclass(frozen=True, slots=True)
class Platform:
    """One row. `page` says whether the platform has a page of its own beside the matrix."""

    spec: AdapterSpec
    plugin: str
    page: bool = True

    @property
    def support(self) -> Support:
        """What was declared; an adapter that says nothing is said to be untested."""
        return self.spec.support or Support("hand-made", "nothing is said of it", "Nothing is said of it.")

    def abilities(self) -> list[str]:
        """Names of what the adapter declares, in the order of `CAN`."""
        return [name for name in CAN if getattr(self.spec.capabilities, name)]

    def facts(self) -> dict[str, object]:
        """The row for other programs."""
        support = self.support
        return {
            "name": self.spec.name,
            "title": self.spec.title,
            "plugin": self.plugin,
            "can": {name: bool(getattr(self.spec.capabilities, name)) for name in CAN},
            "signs_in_a_person": self.spec.login is not None,
            "carriers": [
                {"name": c.name, "title": c.title, "seen_by": c.seen_by, "clinicians_only": c.clinicians_only}
                for c in self.spec.carriers
            ],
            "tested": support.tested,
            "against": support.against,
            "pulls": support.pulls,
            "asks": support.asks,
            "limits": support.limits,
            "quirks": list(support.quirks),
        }


def markdown(platforms: Iterable[Platform]) -> str:
    """The page. English, as all of the documentation is."""
    rows = sorted(platforms, key=lambda one: one.spec.title.casefold())
    return "\n".join([HEAD, *_table(rows), "", *(line for one in rows for line in _section(one))]).rstrip() + "\n"


def _table(rows: Sequence[Platform]) -> list[str]:
    head = ["platform", "shows flags as", *CAN.values(), "how far tested"]
    lines = [head, ["---"] * len(head)]
    for one in rows:
        name = f"[{one.spec.title}]({one.spec.name}.md)" if one.page else one.spec.title
        shows = ", ".join(carrier.name for carrier in one.spec.carriers) or "a list to enter by hand"
        can = ["yes" if _can(one.spec.capabilities, ability) else "–" for ability in CAN]
        lines.append([name, shows, *can, TESTED.source.get(one.support.tested, one.support.tested)])
    return [f"| {' | '.join(line)} |" for line in lines]


def _can(capabilities: Capabilities, name: str) -> bool:
    return bool(getattr(capabilities, name))


def _section(one: Platform) -> list[str]:
    support = one.support
    lines = [
        f"## {one.spec.title}",
        "",
        f"`handrail connect {one.spec.name}`" + (" (a person signs in)" if one.spec.login else ""),
        "",
        f"* **Pulled:** {_sentence(support.pulls)}",
        f"* **Clients are asked:** {_sentence(support.asks)}",
    ]
    for carrier in one.spec.carriers:
        only = " Reasons may be shown there." if carrier.clinicians_only else ""
        lines.append(
            f"* **Flag as `{carrier.name}`**, {_small(carrier.title)}. Seen by: {_sentence(carrier.seen_by)}{only}"
        )
    if not one.spec.carriers:
        lines.append("* **Flags** go to a list to enter by hand; nothing is written to the platform.")
    lines.append(f"* **Limits:** {_sentence(support.limits)}")
    lines.append(f"* **Tested** {TESTED.source.get(support.tested, support.tested)}: {_sentence(support.against)}")
    lines += [f"* {_sentence(quirk)}" for quirk in support.quirks]
    return [*lines, ""]


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?", "`")) else f"{text}."


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]
