"""The messages of the data formats: marked here for the message catalogues, translated where they are shown.

Nothing here knows a language: `plugin_core.words.kept` finds the text again in what a schema says.
"""

from __future__ import annotations


def mark(text: str) -> str:
    """Marks a text for the catalogue and gives it back as it is."""
    return text


ONE_OF = mark("must be one of: {words}")
RANGE = mark("must be from {least} to {most}")
COUNT = mark("must have from {least} to {most} entries")
YEARS = mark("has a year outside {first}-{last}")
MORE = mark("and {count} more")
WITH_MORE = mark("{message} ({count} more)")

WITH_FIELDS = (ONE_OF, RANGE, COUNT, YEARS, MORE, WITH_MORE)
"""Those whose fields are filled in before anybody knows the language."""
