"""Shows prompts in DrChrono: as a task for the client's doctor, or (only where the practice chose it) as a chart flag.

Never `patient_messages`: clients read those. PUT and PATCH answer 204 without a body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from ...plugin_core.contracts import Delivered, Notice
from ...plugin_core.errors import PlatformError
from ...plugin_core.words import mark, tr
from ...schemas.records import Json
from ...schemas.vocab import RemoteState
from ..rest import Rest, part, text_of
from ..rounds import LOST_PROMPT, in_rounds, mark_of
from .people import People
from .settings import rows

TASKS = mark("write tasks")
FLAGS = mark("write flags on charts (patients)")
MEDIUM = "20"
OPEN, DONE, AWAY = "O", "C", "archived"
"""What `remote_version` says: how we left the task."""
MORE = mark("Open Handrail for the reasons.")
EARLIER = timedelta(days=2)


class Tasks:
    """Tasks as a carrier. Ours are known by a mark in their note."""

    def __init__(self, rest: Rest, settings: Mapping[str, Any], people: People) -> None:
        self._rest = rest
        self._settings = settings
        self._people = people
        self._statuses: dict[str, str] = {}

    def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
        """See `Carrier.deliver`. A task that was archived is not opened again: one that stands anew is a new one."""
        patience, site = self._rest.http.patience, self._rest.base.site
        return in_rounds(patience, site, LOST_PROMPT, lambda: self._round(notice, remote_id, remote_version))

    def find(self, key: str) -> Sequence[str]:
        """Ids of the tasks with this key's mark that are not archived, oldest first."""
        return [str(row["id"]) for row in self._marked(key, None)]

    def _round(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
        active = notice.state is RemoteState.ACTIVE
        if remote_id is None:
            return self._put(notice) if active else self._take_back(notice)
        if active:
            return self._turn(notice, remote_id, version, self._read(remote_id))
        # What a write of ours, its answer lost, may have put up instead of it (F81).
        newer = self._take_back(notice) if RemoteState.ACTIVE in notice.attempted else Delivered(None)
        done = self._over(notice, remote_id, version, self._read(remote_id))
        return done if newer.remote_id is None else newer

    def _read(self, remote_id: str) -> Json | None:
        answer = self._rest.get(f"tasks/{part(remote_id)}", purpose=TASKS, also=(404,))
        return answer.data if answer.status == 200 and isinstance(answer.data, dict) else None

    def _now(self, stored: Json) -> str:
        """How the task stands: open, done or away."""
        return AWAY if stored.get("archived") is True else self._category(stored)

    def _over(self, notice: Notice, remote_id: str, version: str | None, stored: Json | None) -> Delivered:
        if stored is None or not _ours(stored, notice.key):
            return Delivered(remote_id, version, human_edit=True)
        return self._close(remote_id, self._now(stored), retract=notice.state is not RemoteState.INACTIVE)

    def _turn(self, notice: Notice, remote_id: str, version: str | None, stored: Json | None) -> Delivered:
        """The task as wanted. One that a person has completed or archived stays so (F86)."""
        edited = Delivered(remote_id, version, human_edit=True)
        if stored is not None and not _ours(stored, notice.key):
            return edited
        now = AWAY if stored is None else self._now(stored)
        if stored is None or now == AWAY:  # archived ones may be shown no longer
            by_us = version == AWAY or RemoteState.RETRACTED in notice.attempted
            return self._put(notice) if by_us else edited
        if now == DONE and version != DONE and RemoteState.INACTIVE not in notice.attempted:
            return edited
        if _patient(stored) != notice.client:  # the client's records were merged (F67)
            moved = self._put(notice)
            if moved.refused is None:
                self._close(remote_id, now, retract=True)
            return moved
        if now == DONE:
            self._change(remote_id, {"status": number_of(self._status(OPEN))})
        return Delivered(remote_id, OPEN)

    def _put(self, notice: Notice) -> Delivered:
        found = self._marked(notice.key, notice)
        created = False
        if not found:
            user = self._people.user_of(notice.clinician)
            if user is None:
                return Delivered(
                    None,
                    refused=tr(
                        "The client's doctor is no user of DrChrono, so that nobody could be given the task. Set: "
                        "handrail connect drchrono --set assignee_user=ID"
                    ),
                )
            answer = self._rest.send("POST", "tasks", self._body(notice, user), purpose=TASKS, also=(400, 404))
            if answer.status in (400, 404):
                return Delivered(None, refused=self._refusal(notice.client))
            made = answer.data if isinstance(answer.data, dict) else {}
            created = True
            found = self._marked(notice.key, notice) or ([made] if text_of(made.get("id")) else [])
        for double in found[1:]:
            self._change(str(double["id"]), {"archived": True})
        if not found:
            return Delivered(None, created=created)
        return Delivered(str(found[0]["id"]), OPEN, created=created, doubles=len(found) - 1)

    def _take_back(self, notice: Notice) -> Delivered:
        """What was perhaps made, its answer lost; where nothing is there, nothing is sent (F87)."""
        found = self._marked(notice.key, notice)
        retract = notice.state is not RemoteState.INACTIVE
        done = [self._close(str(row["id"]), OPEN, retract=retract) for row in found]
        return done[0] if done else Delivered(None)

    def _close(self, remote_id: str, now: str, *, retract: bool) -> Delivered:
        want = AWAY if retract else DONE
        if now not in (want, AWAY):
            done: Json = {"status": number_of(self._status(DONE))}
            self._change(remote_id, {**done, "archived": True} if retract else done)
        return Delivered(remote_id, want)

    def _change(self, remote_id: str, body: Json) -> None:
        self._rest.send("PATCH", f"tasks/{part(remote_id)}", body, purpose=TASKS, also=(404,))

    def _body(self, notice: Notice, user: str) -> Json:
        return {
            "title": notice.title,
            "status": number_of(self._status(OPEN)),
            "priority": MEDIUM,
            "assignee_user": user,
            "associated_items": [{"type": "Patient", "value": number_of(notice.client)}],
            "notes": [{"text": f"{tr(MORE)} {mark_of(notice.key)}"}],
        }

    def _marked(self, key: str, notice: Notice | None) -> list[Json]:
        """Tasks with the mark that are not archived, oldest first; of the notice's client, where there is one."""
        query: dict[str, str | int] = {}
        if notice is not None:
            query["since"] = (notice.opened - EARLIER).strftime("%Y-%m-%dT%H:%M:%S")
        found = [
            row
            for row in rows(self._rest, "tasks", query, TASKS)
            if text_of(row.get("id")) and _ours(row, key) and row.get("archived") is not True
        ]
        mine = [row for row in found if notice is None or _patient(row) == notice.client]
        return sorted(mine, key=lambda row: (text_of(row.get("created_at")) or "", str(row["id"]).zfill(20)))

    def _status(self, category: str) -> str:
        """The id of the practice's first status of a category."""
        self._know_statuses()
        found = next((one for one, its in self._statuses.items() if its == category), None)
        if found is None:
            raise PlatformError(
                tr("The practice has no task status in DrChrono that means open or complete; make one there.")
            )
        return found

    def _category(self, stored: Json) -> str:
        self._know_statuses()
        return self._statuses.get(text_of(stored.get("status")) or "", OPEN)

    def _know_statuses(self) -> None:
        if not self._statuses:
            for row in rows(self._rest, "task_statuses", {}, TASKS):
                status, category = text_of(row.get("id")), text_of(row.get("status_category"))
                if status and category and row.get("archived") is not True:
                    self._statuses[status] = category

    def _refusal(self, client: str) -> str:
        site = self._rest.base.site
        if self._people.patient(client) is None:
            return tr("{site} no longer has this client's chart.", site=site)
        return tr(
            "{site} does not accept a task for this client. Use the list to enter prompts by hand.",
            site=site,
        )


class PatientFlags:
    """A flag on the chart, one for all prompts of a client. Opt-in: the whole list of flags is written back each time.

    No source says whether the list replaces what stands or adds to it (doubt), so it is read again and compared.
    """

    def __init__(self, rest: Rest, flag_type: int, title: str) -> None:
        self._rest = rest
        self._type = flag_type
        self._title = title

    def stands(self, client: str) -> bool | None:
        """See `Marking`."""
        attached = self._attached(client)
        return None if attached is None else any(map(self._ours, attached))

    def put(self, client: str) -> str | None:
        """See `Marking`."""
        return self._turn(client, stands=True)

    def drop(self, client: str) -> str | None:
        """See `Marking`."""
        return self._turn(client, stands=False)

    def bearers(self) -> Sequence[str]:
        """See `Marking`."""
        found = []
        for row in rows(self._rest, "patients", {"verbose": "true"}, FLAGS):
            attached = row.get("patient_flags_attached")
            ours = isinstance(attached, list) and any(isinstance(one, dict) and self._ours(one) for one in attached)
            found += [str(row["id"])] if ours and text_of(row.get("id")) else []
        return found

    def _turn(self, client: str, *, stands: bool) -> str | None:
        """Writes the list with or without ours; why not, where the list then is not as it should be."""
        before = self._attached(client)
        if before is None or any(map(self._ours, before)) is stands:
            return None
        others = [row for row in before if not self._ours(row)]
        wanted = [*before, {"flag_type": self._type, "flag_text": self._title}] if stands else others
        if not self._write(client, wanted):
            return tr("DrChrono takes no flag on this chart. Use the list to enter prompts by hand.")
        after = self._attached(client) or []
        if _names(row for row in after if not self._ours(row)) != _names(others):
            self._write(client, before)
            return tr(
                "DrChrono changed other flags of this chart while Handrail's was written. They were written back as "
                "they were: look at the chart, and use the carrier task instead."
            )
        if any(map(self._ours, after)) is not stands:
            return tr("DrChrono did not change the flag on this chart. Change it there by hand.")
        return None

    def _attached(self, client: str) -> list[Json] | None:
        """All flags of the chart; None where there is no such chart."""
        answer = self._rest.get(f"patients/{part(client)}", {"verbose": "true"}, purpose=FLAGS, also=(404,))
        if answer.status == 404 or not isinstance(answer.data, dict):
            return None
        found = answer.data.get("patient_flags_attached")
        if not isinstance(found, list):
            raise PlatformError(tr("DrChrono does not show this chart's flags, so none was written."))
        return [row for row in found if isinstance(row, dict)]

    def _write(self, client: str, flags: Sequence[Json]) -> bool:
        body = {"patient_flags_attached": list(flags)}
        answer = self._rest.send("PATCH", f"patients/{part(client)}", body, purpose=FLAGS, also=(400, 404))
        return answer.status < 300

    def _ours(self, row: Json) -> bool:
        return text_of(row.get("flag_type")) == str(self._type) and row.get("archived") is not True


def number_of(ref: str) -> int | str:
    """An id as the number that DrChrono wants; anything else as it is, for DrChrono to refuse."""
    return int(ref) if ref.isascii() and ref.isdigit() and len(ref) < 20 else ref


def _names(rows_: Any) -> list[tuple[str, str]]:
    return sorted((text_of(row.get("flag_type")) or "", text_of(row.get("flag_text")) or "") for row in rows_)


def _patient(row: Json) -> str | None:
    items = row.get("associated_items")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get("type") == "Patient":
            return text_of(item.get("value"))
    return None


def _ours(row: Json, key: str) -> bool:
    notes = row.get("notes")
    texts = [note.get("text") for note in notes if isinstance(note, dict)] if isinstance(notes, list) else []
    return any(isinstance(text, str) and mark_of(key) in text for text in texts)
