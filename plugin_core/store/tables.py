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
    Column("marks", Integer, nullable=False, server_default="0"),  # how often that was said: nothing said is lost
    Column("known", Boolean),  # None: not asked since their last new form; False: the platform does not know them
    Column("ended", Text),  # ISO date, the last day of the course; None: it goes on
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
    Index("ix_flags_client", "source", "client", "state", "kind", "shown"),
    Index("ix_flags_state", "source", "state", "kind"),
)

acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("source", Integer, nullable=False),
    _key("flag"),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", Text),  # None: seen; "closed": a person has closed a safety notice
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
    Column("number", BigInteger),  # 1, 2 ... without a gap; null in entries from before the trail was a chain
    Column("link", Text),  # a keyed hash over this entry and the link before it (chain.py)
    Index("uq_audit_practice_number", "practice", "number", unique=True),
)

# --- asking clients, and what a practice does besides -----------------------------------------------------------------

enrolments = Table(
    "enrolments",
    metadata,
    Column("source", Integer, primary_key=True),
    _key("client", primary_key=True),
    Column("state", Text, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # what is asked, how often, on which consent
    Index("ix_enrolments_state", "source", "state"),
)

asks = Table(
    "asks",
    metadata,
    # One row for each client, instrument and due date, whatever crashes: the key is a keyed hash of the three.
    Column("source", Integer, primary_key=True),
    _key("key", primary_key=True),
    _key("client"),
    Column("instrument", Text, nullable=False),
    Column("due", Text, nullable=False),  # ISO date, the practice's local day
    Column("state", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before_ms", BigInteger),
    Column("asked_ms", BigInteger),
    Column("reminders", SmallInteger, nullable=False),
    Column("reminded_ms", BigInteger),
    Column("expires", Text, nullable=False),  # ISO date, the last day on which an answer counts for this ask
    Column("answered_by", Text),  # key of the response
    Column("problem", Text),
    Column("recall", Boolean, nullable=False),  # closed here, and the channel is still to be told
    Column("changed_ms", BigInteger, nullable=False),
    Column("sealed", LargeBinary),  # what the channel gave back: the platform's id of the request, a link
    Index("ix_asks_client", "source", "client"),
    Index("ix_asks_state", "source", "state"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("source", Integer, primary_key=True),
    _key("client", primary_key=True),
    Column("on", Text, primary_key=True),  # ISO date; two sessions on one day are one for every rule
    Column("sealed", LargeBinary, nullable=False),  # the therapist's reference
)

notices = Table(
    "notices",
    metadata,
    # Safety notices on their own channel: one row for each flag, recipient and time that they were told.
    Column("source", Integer, primary_key=True),
    _key("flag", primary_key=True),
    Column("recipient", Text, primary_key=True),  # "clinician" or "backup"
    Column("number", Integer, primary_key=True),  # 1 at first, then each repetition
    Column("older", Boolean, nullable=False),  # of an answer from before: goes into one letter with the others
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("wanted_ms", BigInteger, nullable=False),
    Column("not_before_ms", BigInteger),
    Column("sent_ms", BigInteger),
    Column("problem", Text),
    Column("sealed", LargeBinary),  # who was told, in which letter
    Index("ix_notices_state", "source", "state"),
)

redirects = Table(
    "redirects",
    metadata,
    # A form of the wrong client, or a client with two records, put right by a person or by the platform's own merge.
    # "moved" remembers of a form that came to a client by a merge whose it was before, for taking the merge back.
    Column("source", Integer, primary_key=True),
    Column("kind", Text, primary_key=True),  # "form", "client" or "moved"
    _key("key", primary_key=True),  # of the response, or of the client record that is no more
    _key("target"),  # the client whose forms they are; with "moved" the record that the form came with
    Column("at_ms", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # the platform's reference of the target, reason, author
)

erased = Table(
    "erased",
    metadata,
    # Clients who were erased here: their forms on the platform are not read again. Nothing but a keyed hash is left.
    Column("source", Integer, primary_key=True),
    _key("client", primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
)

remarks = Table(
    "remarks",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("source", Integer, nullable=False),
    _key("response"),
    _key("client"),
    Column("at_ms", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # what the client says of their form, who wrote it down
    Index("ix_remarks_client", "source", "client"),
)

notes = Table(
    "notes",
    metadata,
    # What people of the practice write down about a client. The key is random.
    Column("source", Integer, primary_key=True),
    _key("key", primary_key=True),
    _key("client"),
    Column("at_ms", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # author, words
    Index("ix_notes_client", "source", "client"),
)

authors = Table(
    "authors",
    metadata,
    # Therapists who keep self-checks. Their key is theirs alone; a known text tells whether it is the right one.
    Column("practice", Text, primary_key=True),
    _key("key", primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

selfchecks = Table(
    "selfchecks",
    metadata,
    Column("source", Integer, primary_key=True),
    _key("key", primary_key=True),
    _key("author"),
    _key("client"),
    Column("authored_ms", BigInteger, nullable=False),
    Column("offset_min", SmallInteger, nullable=False),
    Column("delete_on", Text, nullable=False),  # ISO date: twelve months after it was filled in
    Column("sealed", LargeBinary, nullable=False),  # with the author's key
    Column("shared", LargeBinary),  # with the practice's key, by the author's own act
    Index("ix_selfchecks_client", "source", "client"),
    Index("ix_selfchecks_author", "source", "author"),
)

# --- the desk: who may come in, and what they looked at ---------------------------------------------------------------

accounts = Table(
    "accounts",
    metadata,
    # The key is a keyed hash of the name that is typed at sign-in.
    Column("practice", Text, primary_key=True),
    _key("key", primary_key=True),
    Column("roles", Text, nullable=False),  # by comma
    Column("state", Text, nullable=False),  # "open" or "closed"
    Column("subject", Text),  # keyed hash of issuer and subject, where a sign-in by OpenID Connect was seen
    Column("changed_ms", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # names, the password's hash, the platform's reference
)

logins = Table(
    "logins",
    metadata,
    # One row for each browser that somebody is signed in with. The token is in its cookie only; here is its keyed hash.
    Column("practice", Text, primary_key=True),
    _key("key", primary_key=True),
    Column("kind", Text, nullable=False),  # "account", or another way in: a client's link, a record system
    Column("subject", Text, nullable=False),  # our key of the account, or of what that way in is for
    Column("source", Integer),
    Column("client", Text),  # our key of the client whom it is about, where it is about one
    Column("begun_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("sealed", LargeBinary),  # what that way in needs to know; what was typed when the time ran out
    Index("ix_logins_subject", "practice", "subject"),
    Index("ix_logins_client", "source", "client"),
)

invites = Table(
    "invites",
    metadata,
    # One-time links: the first administrator's, an invitation, a new password. Here is only the token's keyed hash.
    Column("practice", Text, primary_key=True),
    _key("key", primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text),  # the account that it is for, where there is one
    Column("until_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    Column("sealed", LargeBinary, nullable=False),  # for whom, with which rights
)

attempts = Table(
    "attempts",
    metadata,
    # Failed tries of what must not be guessed: passwords, codes. The key is a keyed hash of who tried what.
    Column("practice", Text, primary_key=True),
    _key("key", primary_key=True),
    Column("number", Integer, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),  # shut until then
)

looks = Table(
    "looks",
    metadata,
    # When a person last opened a client's page and how many forms there were, and the same of the visit before that.
    Column("source", Integer, primary_key=True),
    Column("account", Text, primary_key=True),
    _key("client", primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("forms", Integer, nullable=False),
    Column("flags", Integer, nullable=False),  # standing ones, whoever has seen them
    Column("before_ms", BigInteger),
    Column("before_forms", Integer),
    Index("ix_looks_client", "source", "client"),
)

hints = Table(
    "hints",
    metadata,
    # That a platform has called: something is to be pulled. The key is a keyed hash, so that a replay is seen.
    Column("source", Integer, primary_key=True),
    _key("key", primary_key=True),
    Column("heard_ms", BigInteger, nullable=False),
    Column("pulled_ms", BigInteger),  # when a sync had pulled what it announced; none: not yet
)

# --- many practices on one server: no practice's own rows, so neither a backup nor the erasing of a client has them ---

due = Table(
    "due",
    metadata,
    # When each practice is to be worked on next, and by which worker it is being worked on (plugin_core/fleet).
    Column("practice", Text, primary_key=True),
    Column("interval_ms", BigInteger, nullable=False),
    Column("next_ms", BigInteger, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("wanted", Text, nullable=False),  # kinds of work besides the sync, by comma
    Column("version", SmallInteger, nullable=False),  # a worker that knows less leaves the practice to newer ones
    Column("queued_ms", BigInteger),  # when a worker was last called for it; none: since then one has come
    Column("owner", Text),  # the worker that has the lease
    Column("fence", BigInteger, nullable=False),  # grows with each lease; whoever writes has the newest
    Column("until_ms", BigInteger),
    Column("failures", Integer, nullable=False),  # in a row
    Column("problem", Text),
    Column("told_ms", BigInteger),  # when the practice was told of that problem
    Column("last_ok_ms", BigInteger),
    Index("ix_due_next", "next_ms"),
    info={"host": True},
)

buckets = Table(
    "buckets",
    metadata,
    # The requests that count against one limit of a platform, of an account or an application, whoever sends them.
    Column("registration", Text, primary_key=True),  # a hash of the platform and the key whose limit it is
    Column("used", Text, nullable=False),  # the moments of the requests, as JSON
    Column("not_before_ms", BigInteger),  # the platform itself said: not before
    info={"host": True},
)
