"""What the JSON API takes and gives, as marshmallow schemas, from which the OpenAPI document is made."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

KEY = r"^[0-9a-f]{32}$"
NOTE = 2000


def _text(told: str, **more: object) -> fields.String:
    return fields.String(metadata={"description": told}, **more)  # type: ignore[arg-type]


class Client(Schema):
    """A client. `key` is this practice's own hash; `reference` is the platform's."""

    key = _text("Our key, stable in this store.", required=True)
    reference = _text("The platform's reference.", required=True)
    clinician = _text("The platform's reference of the responsible clinician.", allow_none=True)
    forms = fields.Integer(required=True)
    newest = fields.Date(allow_none=True)
    ended = fields.Date(allow_none=True)


class Score(Schema):
    """A score of one form; without a value there is a reason."""

    name = fields.String(required=True)
    value = fields.Float(required=True, allow_none=True)
    answered = fields.Integer(required=True)
    of = fields.Integer(required=True)
    reason = fields.String(required=True, allow_none=True)


class Form(Schema):
    """A filled-in form with its raw answers and its scores."""

    key = fields.String(required=True)
    instrument = fields.String(required=True)
    version = fields.String(required=True)
    authored = fields.AwareDateTime(required=True)
    answers = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(),
        required=True,
        metadata={"description": 'Line -> number, "empty" or "declined".'},
    )
    scores = fields.List(fields.Nested(Score), required=True)
    straight_line = fields.Boolean(required=True)


class Acknowledgement(Schema):
    """Somebody has seen a flag."""

    at = fields.AwareDateTime(required=True)
    author = fields.String(required=True)
    note = fields.String(required=True, allow_none=True)
    useful = fields.String(required=True, allow_none=True)


class Hold(Schema):
    """A pause of new flags."""

    start = fields.Date(required=True)
    until = fields.Date(required=True)
    reason = fields.String(required=True)
    author = fields.String(required=True)


class Flag(Schema):
    """A prompt for a conversation, with what it rests on."""

    key = fields.String(required=True)
    client = fields.String(required=True)
    rule = fields.String(required=True)
    rule_version = fields.String(required=True)
    kind = fields.String(required=True)
    state = fields.String(required=True)
    shown = fields.Boolean(required=True)
    opened = fields.AwareDateTime(required=True)
    closed = fields.AwareDateTime(required=True, allow_none=True)
    reason = fields.String(required=True)
    clears = fields.String(required=True)
    forms = fields.List(fields.String(), required=True, metadata={"description": "Keys of the forms."})
    acknowledgements = fields.List(fields.Nested(Acknowledgement), required=True)


class FlagQuery(Schema):
    """Which flags."""

    everything = fields.Boolean(load_default=False, metadata={"description": "Cleared and withdrawn ones as well."})


class Seen(Schema):
    """Says that somebody has seen a flag."""

    author = _text("Who it was, as the audit trail names them.", required=True, validate=validate.Length(1, 100))
    note = _text("A note.", validate=validate.Length(1, NOTE))
    useful = _text("Whether it was useful.", validate=validate.OneOf(("yes", "no", "unsure")))


class Held(Schema):
    """Pauses new flags of a client until a day; safety notices are never held."""

    author = _text("Who it was, as the audit trail names them.", required=True, validate=validate.Length(1, 100))
    until = fields.Date(required=True)
    reason = _text("Why.", required=True, validate=validate.Length(1, NOTE))


class Problem(Schema):
    """What is wrong (RFC 9457)."""

    status = fields.Integer(required=True)
    title = fields.String(required=True)
    errors = fields.Dict(metadata={"description": "By place in the request."})
