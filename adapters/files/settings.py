"""What a practice fills in to read files; how the files look is settled at `connect` and kept as layouts."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from ...plugin_core.words import mark


class FilesSettings(Schema):
    """Settings of the files adapter. It has no secrets."""

    folder = fields.String(
        required=True,
        validate=validate.Length(1, 1000),
        metadata={
            "help": mark(
                "The folder into which exports are put, for example /home/practice/exports. It holds health "
                "information: only those who may read it should be able to open it."
            )
        },
    )
    settle_seconds = fields.Integer(
        load_default=10,
        strict=True,
        validate=validate.Range(0, 3600),
        metadata={
            "help": mark("For how many seconds a file must not have changed before it is read (it may be half copied).")
        },
    )
