"""Prompts as messages about a client (patient notes) in OpenEMR: written, marked as done, deleted, never read back.

https://github.com/openemr/openemr (Documentation/api): POST, PUT and DELETE /api/patient/{pid}/message; there is no
GET. So what was sent is written down here first, and nothing is sent twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock

from ...plugin_core.contracts import Delivered, Notice
from ...plugin_core.errors import HandrailError, Unreachable
from ...plugin_core.words import mark, tr
from ...schemas.records import Json
from ...schemas.vocab import RemoteState
from ..http import OutcomeUnknown
from ..rest import Answer, Rest, part, text_of
from ..rounds import mark_of
from ..transport import TooLarge

MESSAGES = mark("write messages about clients")
WHO = mark("look up whose chart it is")
NEW, DONE, DELETED = "New", "Done", "deleted"
GROUP = "Default"
MORE = mark("Open Handrail for the reasons.")
OVER = mark("Handrail: this is no longer current.")
UNKNOWN = mark(
    "OpenEMR did not confirm a message, and messages cannot be read back. It is not sent again: look into the client's "
    "messages for one from Handrail, and if there is none use the list to enter prompts by hand."
)


class Journal:
    """What was sent, by its mark: the message's id, or nothing where the answer was lost. Holds no name and no text."""

    def __init__(self, folder: Path | None, place: str) -> None:
        self._file = None if folder is None else folder / f"sent-{sha256(place.encode()).hexdigest()[:24]}.json"
        self._memory: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        """All of it; a file of anything else is an empty one, as the core's own record stands beside it.

        :raises Unreachable: it is there and cannot be read; taken for empty, a prompt would be sent twice.
        """
        if self._file is None:
            return dict(self._memory)
        try:
            found = json.loads(self._file.read_text(encoding="ascii"))
            return {str(name): str(value) for name, value in found.items()}
        except (FileNotFoundError, ValueError, AttributeError, RecursionError):
            return {}
        except OSError as error:
            raise _no_journal(self._file.parent, error) from None

    def note(self, name: str, remote_id: str | None) -> None:
        """Writes an entry down, or takes it out. Raises Unreachable where the folder cannot be written."""
        if self._file is None:
            _change(self._memory, name, remote_id)
            return
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(f"{self._file}.lock", timeout=30):
                found = self.read()
                _change(found, name, remote_id)
                fresh = self._file.with_suffix(".new")
                fresh.write_text(json.dumps(found), encoding="ascii")
                fresh.replace(self._file)
        except OSError as error:  # full, not ours, or another process holds the lock and stands still
            raise _no_journal(self._file.parent, error) from None


def _no_journal(folder: Path, error: OSError) -> Unreachable:
    return Unreachable(
        tr(
            "What is sent to OpenEMR cannot be noted in {folder}, so nothing is sent: a prompt could stand twice. "
            "Check that the folder can be written, then run the command again.",
            folder=folder,
        ),
        detail=type(error).__name__,
    )


def _change(entries: dict[str, str], name: str, remote_id: str | None) -> None:
    entries.pop(name, None)
    if remote_id is not None:
        entries[name] = remote_id


class Messages:
    """Messages as a carrier. A remote id is `PID/MID`, as both are needed to change a message."""

    def __init__(self, rest: Rest, settings: Mapping[str, Any], journal: Journal) -> None:
        self._rest = rest
        self._settings = settings
        self._journal = journal
        self._users: dict[str, str | None] = {}

    def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
        """See `Carrier.deliver`. What a person did to a message cannot be seen, so it is left alone while it stands."""
        known = self._journal.read().get(mark_of(notice.key))
        # Written down here and unknown to the core: it was made by a run that ended before it could say so (F82).
        newer = bool(known) and known != remote_id
        there, version = (known, None) if newer else (remote_id, remote_version)
        if newer and remote_id is not None and remote_version != DELETED:
            self._delete(remote_id)
        if notice.state is RemoteState.ACTIVE:
            return self._stand(notice, there, version, newer=newer)
        done = Delivered(None) if there is None else self._close(notice, there, version)
        unknown = known == "" and (there is None or version == DELETED or RemoteState.ACTIVE in notice.attempted)
        return Delivered(None, refused=tr(UNKNOWN)) if unknown else done

    def _stand(self, notice: Notice, there: str | None, version: str | None, *, newer: bool) -> Delivered:
        if there is None or version == DELETED:
            return self._write(notice)
        if RemoteState.RETRACTED in notice.attempted and not (newer and notice.attempted[-1] is RemoteState.ACTIVE):
            # We deleted it, perhaps: nobody can look, but what is deleted again is gone, and then one is written (F81).
            self._delete(there)
            return self._write(notice)
        if self._pid(notice.client) in (there.partition("/")[0], None):
            if version == DONE or RemoteState.INACTIVE in notice.attempted:
                return self._change(notice, there, NEW, notice.title)
            return Delivered(there, version or NEW)
        made = self._write(notice)  # the client's records were merged (F67)
        if made.refused is None:
            self._delete(there)
        return made

    def find(self, key: str) -> Sequence[str]:
        """The message that was written down for this key; OpenEMR itself cannot be asked."""
        found = self._journal.read().get(mark_of(key))
        return [found] if found else []

    # --- writing ---------------------------------------------------------------------------------------------------

    def _write(self, notice: Notice) -> Delivered:
        name = mark_of(notice.key)
        if self._journal.read().get(name) == "":
            return Delivered(None, refused=tr(UNKNOWN))
        pid = self._pid(notice.client)
        if pid is None:
            return Delivered(None, refused=tr("{site} no longer has this client's chart.", site=self._rest.base.site))
        user = self._user(notice.clinician)
        if user is None:
            return Delivered(
                None,
                refused=tr(
                    "The client's clinician is no user of OpenEMR, so that nobody could be written to. Set: handrail "
                    "connect openemr --set messages_to=USERNAME"
                ),
            )
        body = self._body(user, NEW, f"{notice.title}. {tr(MORE)} {name}")
        path = f"patient/{part(pid)}/message"
        self._journal.note(name, "")
        try:
            answer = self._rest.send("POST", path, body, purpose=MESSAGES, also=(400, 404, 503))
        except (OutcomeUnknown, TooLarge):
            return Delivered(None, refused=tr(UNKNOWN))
        except HandrailError:  # nothing was sent; of a run that is ended in mid-request nobody knows
            self._journal.note(name, None)
            raise
        mid = _mid(answer)
        if mid is None and answer.status < 300 and not _faulty(answer):
            return Delivered(None, refused=tr(UNKNOWN))  # it was taken, and the answer does not say as what
        if mid is None:
            self._journal.note(name, None)
            if answer.status == 503:  # not taken (RFC 9110, 15.6.4)
                raise Unreachable(tr("{site} is not available at the moment.", site=self._rest.base.site))
            return self._refusal()
        remote_id = f"{pid}/{mid}"
        with suppress(Unreachable):  # it was sent, and the core keeps the id
            self._journal.note(name, remote_id)
        return Delivered(remote_id, NEW, created=True)

    def _close(self, notice: Notice, there: str, version: str | None) -> Delivered:
        inactive = notice.state is RemoteState.INACTIVE
        if version == DELETED or (version == DONE and inactive and RemoteState.ACTIVE not in notice.attempted):
            return Delivered(there, version)
        if inactive and RemoteState.RETRACTED not in notice.attempted:  # what is deleted, perhaps, cannot be marked
            return self._change(notice, there, DONE, tr(OVER))
        self._delete(there)
        name = mark_of(notice.key)
        if self._journal.read().get(name) == there:
            self._journal.note(name, None)
        return Delivered(there, DELETED)

    def _change(self, notice: Notice, there: str, status: str, text: str) -> Delivered:
        """A PUT wants every field again, and adds its text to what stands there."""
        pid, _, mid = there.partition("/")
        user = self._user(notice.clinician) or str(self._settings["messages_from"])
        body = self._body(user, status, text)
        path = f"patient/{part(pid)}/message/{part(mid)}"
        answer = self._rest.send("PUT", path, body, purpose=MESSAGES, also=(404,))
        return Delivered(there, status, human_edit=answer.status == 404)

    def _delete(self, there: str) -> None:
        pid, _, mid = there.partition("/")
        self._rest.send("DELETE", f"patient/{part(pid)}/message/{part(mid)}", purpose=MESSAGES, also=(404,))

    def _body(self, user: str, status: str, text: str) -> Json:
        return {
            "body": text,
            "groupname": GROUP,
            "from": self._settings["messages_from"],
            "to": user,
            "title": self._settings["note_type"],
            "message_status": status,
        }

    def _refusal(self) -> Delivered:
        sentence = tr(
            "{site} does not accept a message about this client. Use the list to enter prompts by hand.",
            site=self._rest.base.site,
        )
        return Delivered(None, refused=sentence)

    # --- looking up ------------------------------------------------------------------------------------------------

    def _pid(self, client: str) -> str | None:
        """The chart's number, which messages are filed by; None: there is no such chart."""
        answer = self._rest.get(f"patient/{part(client.rpartition('/')[2])}", purpose=WHO, also=(400, 404))
        row = _row(answer) if answer.status == 200 else None
        return None if row is None else text_of(row.get("pid"))

    def _user(self, clinician: str | None) -> str | None:
        """The user name of a clinician, else the one of the setting."""
        ref = (clinician or "").rpartition("/")[2]
        if ref and ref not in self._users:
            answer = self._rest.get(f"user/{part(ref)}", purpose=WHO, also=(400, 403, 404))
            row = _row(answer) if answer.status == 200 else None
            self._users[ref] = None if row is None else text_of(row.get("username"))
        return self._users.get(ref) or text_of(self._settings.get("messages_to"))


def _row(answer: Answer) -> Json | None:
    """The record of an answer: under `data`, in a list or not."""
    data = answer.data.get("data") if isinstance(answer.data, dict) else None
    if isinstance(data, list):
        data = next(iter(data), None)
    return data if isinstance(data, dict) and data else None


def _faulty(answer: Answer) -> bool:
    """Whether OpenEMR lists what was wrong with a request, which some of its routes do with status 200."""
    data = answer.data if isinstance(answer.data, dict) else {}
    return bool(data.get("validationErrors") or data.get("internalErrors"))


def _mid(answer: Answer) -> str | None:
    """The id of a message that was made: at the top or under `data`."""
    if answer.status >= 300 or not isinstance(answer.data, dict):
        return None
    return text_of(answer.data.get("mid")) or text_of((_row(answer) or {}).get("mid"))
