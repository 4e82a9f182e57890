"""What is wrong with a file or a row, in words that hold nothing of its content.

Texts are kept in English with what was set aside and told in the language of the day (`plugin_core.words.kept`).
"""

from __future__ import annotations

from ...plugin_core.words import kept, mark
from ...schemas.vocab import QuarantineReason as R


class FileFault(Exception):
    """A whole file that is not read. `why` is a kept sentence, `reason` its class, `form` the form that it holds, where
    that is known: one that is not may hold answers about safety."""

    def __init__(self, why: str, reason: R = R.UNREADABLE) -> None:
        super().__init__(why)
        self.why = why
        self.reason = reason
        self.form: str | None = None


class RowFault(Exception):
    """One row, or one answer sheet, that is not read; the rest of the file goes on."""

    def __init__(self, why: str, reason: R = R.SHAPE) -> None:
        super().__init__(why)
        self.why = why
        self.reason = reason


class Changing(Exception):
    """The file is being written, or open in another program: it is read in a later run."""


EMPTY = mark("the file is empty")
NO_ROWS = mark("the file has headings and no rows")
NOT_TEXT = mark("the file is no text file and no Excel file (.xlsx)")
OLD_EXCEL = mark(
    "the file is an old Excel file (.xls) or is protected by a password: save it as .xlsx or CSV without a password"
)
MACROS = mark("the file holds macros: save it as .xlsx, which has none")
NOT_CSV = mark("the file is an Excel file but its name says CSV: give it the ending .xlsx")
NOT_XLSX = mark("the file's name says Excel, but it is none: export it again")
HTML = mark("the file is a web page under another name: export it again as CSV or .xlsx")
DAMAGED = mark("the Excel file is damaged or cut off: export it again")
BOMB = mark("the Excel file unpacks to far more than a table of answers has")
ENTITIES = mark("the Excel file holds definitions that such a file never has (a DTD)")
UNDECIDED_ENCODING = mark("the file's encoding cannot be told: save it as CSV UTF-8")
OTHER_ENCODING = mark("the file is in another encoding than the one that was confirmed")
CUT = mark("the file is cut off, or a quotation mark in it is not closed: nothing of it was read")
LONG_LINE = mark("a line of the file is far too long for a table")
NO_DELIMITER = mark("the file's columns cannot be told apart")
WHICH_SHEET = mark("the file has several visible sheets, and nobody said which holds the answers (--answer sheet=NAME)")
NO_SHEET = mark("the sheet that was confirmed is not in the file")
MANY_SHEETS = mark("the file has several visible sheets where it had one")
NO_HEADINGS = mark("the first row does not look like headings, but like data")
TOO_WIDE = mark("the file has more than 1,000 columns")
SAME_HEADINGS = mark("two columns have the same heading: rename one of them")
NO_HEADING = mark("a column with content has no heading (merged cells at the top?)")
UNCONFIRMED = mark("nobody has confirmed yet how this file is read: handrail connect files")
TWO_LAYOUTS = mark("two of the confirmed layouts fit this file: give each its own file names (files in the layout)")
OTHER_DATES = mark("its dates are written in another order than the one that was confirmed")
MIXED_DATES = mark(
    "some of its dates are Excel dates and some are text: Excel may have swapped days and months. Export it again"
)
LONG_IDS = mark(
    "Excel has turned long numbers into rounded ones such as 1.2E+18: export again, and do not save it with Excel"
)
ZEROS = mark("its numbers of clients have lost their leading zeros: export again, and do not save it with Excel")
MOSTLY_BROKEN = mark("most of its rows cannot be read: the export seems to have changed")

WIDTH = mark("the row has another number of cells than the headings")
FORMULA = mark("a cell that is read holds a formula: replace it with its value")
ERROR_CELL = mark("a cell that is read holds an error of Excel")
NO_CLIENT = mark("no client")
NO_ID = mark("no number of the form, though other rows have one")
NO_DATE = mark("no date")
BAD_DATE = mark("a date that cannot be read as it was confirmed")
GAP = mark("a time that did not exist on that day (clocks went forward)")
NO_QUESTION = mark("no question")
NO_FORM = mark("no name of the form")
CONFLICT = mark("two rows of one client, day and form with different answers, and no number to tell them apart")
SAME_ID = mark("two rows of one number with different content")
UNSTORABLE = mark("a text with characters that cannot be stored")
LONG_TEXT = mark("a number, name or question of more than 255 letters")

missing_column = kept.MISSING_COLUMN.format
new_columns = kept.NEW_COLUMNS.format
