"""The closed word lists of the field: states, kinds and reasons that records use and files and tables store.

Stored and printed by value; a word is added, never renamed.
"""

from __future__ import annotations

from enum import StrEnum


class Blank(StrEnum):
    """Why a line has no number. Both count as not answered (clinical.md 3.4), but they are not the same to a reader."""

    EMPTY = "empty"
    DECLINED = "declined"


class ResponseStatus(StrEnum):
    """What the platform says of a filled-in form. Only the first two are scored (F59, F61)."""

    COMPLETED = "completed"
    AMENDED = "amended"
    IN_PROGRESS = "in-progress"
    STOPPED = "stopped"
    WITHDRAWN = "entered-in-error"
    UNKNOWN = "unknown"


SCORED_STATUSES = frozenset({ResponseStatus.COMPLETED, ResponseStatus.AMENDED})


class Mode(StrEnum):
    """How a form was filled in; series of different modes are marked, not silently joined (clinical.md 8.3)."""

    LINK = "link"
    KIOSK = "kiosk"
    IN_SESSION = "in-session"
    READ_ALOUD = "read-aloud"
    PAPER = "paper"
    UNKNOWN = "unknown"


class Direction(StrEnum):
    """Which way of a score is the better one. It lives with the instrument, never in a view (clinical.md 10)."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


class FlagState(StrEnum):
    """The life of a flag."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    HELD = "held"
    CLEARED = "cleared"
    WITHDRAWN = "withdrawn"


STANDING_STATES = frozenset({FlagState.RAISED, FlagState.ACKNOWLEDGED, FlagState.HELD})


class RemoteState(StrEnum):
    """How a flag looks on the platform, or should look."""

    ABSENT = "absent"
    ACTIVE = "active"
    INACTIVE = "inactive"
    RETRACTED = "entered-in-error"


class DeliveryState(StrEnum):
    """Where one delivery stands: still to send, as wanted, or refused for good and shown to a person (F88)."""

    PENDING = "pending"
    DELIVERED = "delivered"
    REFUSED = "refused"


class Event(StrEnum):
    """What `screen` prints when a flag changes state."""

    RAISED = "raised"
    CLEARED = "cleared"
    NOTE = "note"


class QuarantineReason(StrEnum):
    """Why a form was set aside instead of scored."""

    UNREADABLE = "unreadable"
    SHAPE = "shape"
    NO_TIME = "no-time"
    FUTURE_TIME = "future-time"
    NO_CLIENT = "no-client"
    UNKNOWN_QUESTION = "unknown-question"
    UNKNOWN_ANSWER = "unknown-answer"
    TWO_ANSWERS = "two-answers"
    CHANGED_DEFINITION = "changed-definition"
    UNKNOWN_VERSION = "unknown-version"
    WEIGHT_DIFFERS = "weight-differs"
    REFUSED_BY_PLUGIN = "refused-by-plugin"


class EnrolmentState(StrEnum):
    """Whether a client is asked at present."""

    ACTIVE = "active"
    PAUSED = "paused"
    OPTED_OUT = "opted-out"
    ENDED = "ended"


class AskState(StrEnum):
    """What became of one request. `sending` marks a write whose outcome is not known yet."""

    PLANNED = "planned"
    SENDING = "sending"
    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"


class NoticeState(StrEnum):
    """Where one safety notice to one recipient stands. `sending` marks a letter whose outcome is not known yet;
    `refused`: the address takes no mail. Both are tried again."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    NOT_NEEDED = "not-needed"


class RunOutcome(StrEnum):
    """How a run ended; the exit statuses of the commands follow from it."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
