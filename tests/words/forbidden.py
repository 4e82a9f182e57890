"""The words that may not stand in anything that people read, language by language (clinical.md 5), as data.

Each entry is a regular expression, searched without regard to case, under the rule of section 5 that it belongs to. A
language without a list of its own fails the test that reads it: nobody adds a language and forgets this.
"""

from __future__ import annotations

import re

TRAIT, BLAME, GRADE, ORDER = "diagnosis or trait", "blame", "probability or grade", "instruction"

WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        TRAIT: (
            r"\bdependen(t|ts|cy|cies|ce)\b", r"co-?dependen", r"addict", r"\bresistant", r"\bresistance",
            r"borderline", r"manipulat", r"\bvictim", r"disorder", r"patholog", r"\bsymptomatic",
        ),
        BLAME: (
            r"refuses to", r"foster", r"savio(u)?r", r"rescu", r"\bfailing\b", r"\bfailure", r"\bblame", r"unwilling",
            r"\bexcuse", r"\bguilt",
        ),
        GRADE: (
            r"\d ?%", r"percent", r"\bprobab", r"\blikel(y|ihood)", r"\brisk(s|y)?\b", r"\bodds\b", r"\bchance of",
            r"\bsevere", r"\bmild\b", r"\bmoderate", r"\bmedium\b", r"\bhigh-", r"\bprognos", r"\bpredict",
        ),
        ORDER: (
            r"\bdischarge (the|this|your) client", r"reduce (the )?sessions", r"\brefer (the|this|your)\b",
            r"\breferral", r"\bend(ing)? (the )?therapy", r"\bterminat", r"\bmedicat", r"\bstop(ping)? therapy",
        ),
    },
    "de": {
        TRAIT: (
            r"abhängig", r"ko-?abhängig", r"co-?abhängig", r"\bsucht\b", r"süchtig", r"widerständ", r"\bwiderstand",
            r"borderline", r"manipul", r"\bopfer", r"störung", r"krankhaft", r"\bpatholog", r"\bgestört", r"unselbst",
        ),
        BLAME: (
            r"weigert sich", r"verweiger", r"\bretter", r"\brettet", r"versag", r"gescheiter", r"\bschuld", r"\bausred",
            r"unwillig", r"begünstigt",
        ),
        GRADE: (
            r"\d ?%", r"prozent", r"wahrscheinlich", r"risik", r"\bchance", r"\bschwere[rns]? (fall|störung)",
            r"schweregrad", r"mittelgradig", r"\bleichtgradig", r"vorhersag", r"gefährdet", r"\bprognostiz",
        ),
        ORDER: (
            r"entlassen", r"überweisen", r"überweisung", r"sitzungen (zu )?reduzieren", r"therapie (zu )?beenden",
            r"beenden sie", r"\babbrechen", r"medikament", r"brechen sie",
        ),
    },
}  # fmt: skip

ALLOWED = {
    "en": (
        "It gives no diagnosis, no forecast and no measure of anyone's work.",
        "never a diagnosis",
        "gives no diagnosis",
        "it never makes a diagnosis",
        "two percent signs",
        "Why: crisis, bereavement, inpatient stay, change of medication ...",  # what a person may pause flags for
        "Not for diagnosis, prognosis or triage",
        # The law's own words, in a paper that the practice writes for the authority (GDPR, Article 35).
        "## 3. Risks and what is done about them",
        "risk for people",
        "loud failures",
    ),
    "de": (
        "Es stellt keine Diagnose, gibt keine Prognose und misst niemandes Arbeit.",
        "es stellt nie eine Diagnose",
        "zwei Prozentzeichen",
        "Warum: Krise, Trauerfall, Aufenthalt in einer Klinik, andere Medikamente ...",
    ),
}
"""Sentences that name such a word in order to say that it is not meant."""

DIAGNOSIS = {"en": r"\bdiagnos", "de": r"\bdiagnos"}

_QUOTES = {"en": re.compile(r"“[^”]*”"), "de": re.compile(r"„[^“]*“")}
_FOUND = {
    language: [(why, re.compile(p, re.IGNORECASE)) for why, patterns in rules.items() for p in patterns]
    + [(TRAIT, re.compile(DIAGNOSIS[language], re.IGNORECASE))]
    for language, rules in WORDS.items()
}


def complaints(text: str, language: str) -> list[str]:
    """What a text says that it may not; lines of a form are quoted as they stand and are looked at with the forms.

    :raises KeyError: the language has no list of forbidden words.
    """
    for allowed in ALLOWED[language]:
        text = text.replace(allowed, "")
    said = _QUOTES[language].sub("", text)
    return [f"{why}: {hit.group()}" for why, pattern in _FOUND[language] if (hit := pattern.search(said))]
