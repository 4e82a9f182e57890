"""The tables of the store, the same on SQLite and PostgreSQL. Alembic's first migration is made from these.

Readable in the file are dates, rule ids, states, counts and keyed hashes; everything that says who a person is or what
they answered is in a `sealed` column (see seal.py). Times are milliseconds since 1970 UTC; the offset that a form was
written in is kept beside, since a form belongs to its local day.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _key(name: str, **more: object) -> Column[str]:
    """A keyed hash (32 hex digits) standing for a platform's id."""
    return Column(name, Text, nullable=False, **more)  # type: ignore[arg-type]


practices = Table(
    "practices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
    Column(
        "sealed", LargeBinary, nullable=False
    ),  # a known text: tells at start whether the key is the right one (S18)
)

keys = Table(
    "keys",
    metadata,
    Column("practice", Text, primary_key=True),
    Column("id", SmallInteger, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

sources = Table(
    "sources",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("practice", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("fingerprint", Text),
    Column("pushing_since_ms", BigInteger),  # when the practice first agreed to what stands being pushed
    Index("uq_sources_practice_name", "practice", "name", unique=True),
)

clients = Table(
    "clients",
    metadata,
    Column("source", Integer, primary_key=True),
    _key("key", primary_key=True),
    Column("dirty", Boolean, nullable=False),  # forms changed since the rules last read this client's course
    Column("known", Boolean),  # None: not asked since their last new form; False: the platform does not know them
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_clients_dirty", "source", "dirty"),
)

responses = Table(
    "responses",
    metadata,
    Column("source", Integer, primary_key=True),
    _key("key", primary_key=True),
    _key("client"),
    Column("instrument", Text, nullable=False),
    Column("instrument_version", Text, nullable=False),
    Column("authored_ms", BigInteger, nullable=False),
    Column("offset_min", SmallInteger, nullable=False),
    Column("updated_ms", BigInteger),
    Column("remote_version", Text),
    Column("status", Text, nullable=False),
    Column("active", Boolean, nullable=False),  # counts for scores and rules
    Column("content", Text, nullable=False),  # keyed hash of what was stored: equal means nothing changed (F65)
    Column("scored_by", Text, nullable=False),  # start of the instrument's content hash (S37)
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_responses_client", "source", "client"),
)

history = Table(
    "history",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("source", Integer, nullable=False),
    _key("key"),
    Column("replaced_ms", BigInteger, nullable=False),
    Column("remote_version", Text),
    Column("status", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_history_key", "source", "key"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("source", Integer, primary_key=True),
    _key("key", primary_key=True),
    Column("reason", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # the platform's id of the form and of its template
)

flags = Table(
    "flags",
    metadata,
    Column("source", Integer, primary_key=True),
    _key("key", primary_key=True),
    _key("client"),
    Column("rule", Text, nullable=False),
    Column("rule_version", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("shown", Boolean, nullable=False),
    _key("opening"),
    Column("opened_ms", BigInteger, nullable=False),
    Column("offset_min", SmallInteger, nullable=False),
    Column("closed_ms", BigInteger),
    Column("changed_ms", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # score, evidence
    Index("ix_flags_client", "source", "client"),
    Index("ix_flags_state", "source", "state"),
)

acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("source", Integer, nullable=False),
    _key("flag"),
    Column("at_ms", BigInteger, nullable=False),
    Column("useful", Text),
    Column("sealed", LargeBinary, nullable=False),  # author, note
    Index("ix_acknowledgements_flag", "source", "flag"),
)

holds = Table(
    "holds",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("source", Integer, nullable=False),
    _key("client"),
    Column("start", Text, nullable=False),  # ISO dates: a hold is a matter of days
    Column("until", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # reason, author
    Index("ix_holds_client", "source", "client"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("source", Integer, primary_key=True),
    _key("flag", primary_key=True),
    Column("carrier", Text, primary_key=True),
    Column("wanted", Text, nullable=False),
    Column("on_platform", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before_ms", BigInteger),
    Column("problem", Text),
    Column("changed_ms", BigInteger, nullable=False),
    Column("sealed", LargeBinary),  # the platform's id and version of the object
    Index("ix_deliveries_state", "source", "state"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("source", Integer, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

missing = Table(
    "missing",
    metadata,
    # Seen as gone by one reconcile; withdrawn only when a second one agrees (F62).
    Column("source", Integer, primary_key=True),
    _key("key", primary_key=True),
    Column("first_ms", BigInteger, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("source", Integer, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("report", Text, nullable=False),
    Index("ix_runs_source", "source", "started_ms"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("practice", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text),
    Column("detail", Text),
)
