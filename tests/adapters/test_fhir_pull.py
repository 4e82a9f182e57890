"""F1 to F29, F33, F41: pages, cursors and links, on a scripted loopback server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from handrail.adapters.transport import Limits
from handrail.plugin_core.errors import PlatformError, Unreachable, Unsupported
from handrail.schemas.records import Cursor
from handrail.schemas.vocab import QuarantineReason

from .script import DATE, Answer, Script, Seen, bundle, fhir, response

STREAM = "QuestionnaireResponse"
SINCE = datetime(2026, 11, 1, 9, 0, 0, 700_000, tzinfo=UTC)
CURSOR = Cursor(STREAM, since=SINCE)


def asked(seen: Seen) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(seen.path).query).items()}


def stamp(second: int) -> str:
    return (datetime(2026, 11, 1, 10, tzinfo=UTC) + timedelta(seconds=second)).isoformat().replace("+00:00", "Z")


def paged(*pages: list[dict[str, Any]], **more: Any) -> Callable[[Seen], Answer]:
    """A server whose next links count pages."""

    def reply(seen: Seen) -> Answer:
        number = int(asked(seen).get("_getpages", "0"))
        following = f"?_getpages={number + 1}" if number + 1 < len(pages) else None
        return fhir(bundle(*pages[number], following=following, **more))

    return reply


def ids(pages: list[Any]) -> list[str]:
    return [one.id for page in pages for one in page.responses]


def test_f1_f2_f3_the_bound_is_inclusive_floored_and_reaches_back(connect) -> None:  # type: ignore[no-untyped-def]
    """A strict or too fine bound skips whoever sent a form in the same second as the last one."""
    with Script(paged([response("r1")])) as server:
        list(connect(server.base, overlap_minutes=5).pull(CURSOR))
        query = asked(server.seen[0])
        assert query == {"_lastUpdated": "ge2026-11-01T08:55:00Z", "_sort": "_lastUpdated", "_count": "500"}
        assert server.seen[0].headers["Cache-Control"] == "no-cache"
        list(connect(server.base).pull(None))
        assert "_lastUpdated" not in asked(server.seen[1])


def test_f5_f6_the_cursor_is_the_servers_newest_stamp_and_never_goes_back(connect, clock) -> None:  # type: ignore[no-untyped-def]
    """A cursor from a wrong local clock would skip hours of answers."""
    clock.time = 4e9
    with Script(paged([response("r1", "2026-11-01T10:00:00+05:30"), response("r2", stamp(3))])) as server:
        pages = list(connect(server.base).pull(None))
        assert pages[-1].cursor.since == datetime(2026, 11, 1, 10, 0, 3, tzinfo=UTC)
    later = Cursor(STREAM, since=datetime(2026, 12, 1, tzinfo=UTC))
    with Script(paged([response("r1", stamp(0))])) as server:
        (page,) = connect(server.base).pull(later)
        assert page.cursor.since == later.since
        assert any("clock went back" in note for note in page.warnings)


def test_f7_a_stamp_in_the_year_2999_does_not_move_the_cursor(connect) -> None:  # type: ignore[no-untyped-def]
    """It would freeze the sync for 900 years."""
    with Script(paged([response("r1", stamp(1)), response("r2", "2999-01-01T00:00:00Z")])) as server:
        (page,) = connect(server.base).pull(None)
    assert ids([page]) == ["r1", "r2"]
    assert page.cursor.since == datetime(2026, 11, 1, 10, 0, 1, tzinfo=UTC)
    assert any("own clock" in note for note in page.warnings)


@pytest.mark.parametrize("missing", ["stamp", "date"])
def test_f8_without_stamps_or_server_clock_every_pull_is_whole(connect, missing: str) -> None:  # type: ignore[no-untyped-def]
    """A cursor made up in their place would be a guess."""

    def reply(_: Seen) -> Answer:
        answer = fhir(bundle(response("r1", stamp(1)), response("r2", None if missing == "stamp" else stamp(2))))
        if missing == "date":
            del answer.headers["Date"]
        return answer

    with Script(reply) as server:
        (page,) = connect(server.base).pull(None)
    assert ids([page]) == ["r1", "r2"]
    assert page.cursor.since is None
    assert any("whole list" in note for note in page.warnings)


def test_f9_stamps_are_compared_as_instants(connect) -> None:  # type: ignore[no-untyped-def]
    """A server of several sites writes several offsets; the text that sorts last is not the newest form."""
    stamps = ["2026-11-01T15:30:00.250+05:30", "2026-11-01T10:00:00.250500Z", "2026-11-01T06:00:01.123456789-04:00"]
    with Script(paged([response(f"r{n}", at) for n, at in enumerate(stamps)])) as server:
        (page,) = connect(server.base).pull(None)
    assert page.sorted
    assert page.cursor.since == datetime(2026, 11, 1, 10, 0, 1, 123_456, tzinfo=UTC)


def test_f10_a_leap_second_is_read_and_a_stamp_without_offset_is_none(connect) -> None:  # type: ignore[no-untyped-def]
    """The one would make every later sync whole; the other, guessed, would move the cursor by hours."""
    with Script(paged([response("r1", "2016-12-31T23:59:60Z")])) as server:
        (page,) = connect(server.base).pull(None)
    assert page.cursor.since == datetime(2017, 1, 1, tzinfo=UTC)
    with Script(paged([response("r1", "2026-11-01T10:00:00")])) as server:
        (page,) = connect(server.base).pull(None)
    assert ids([page]) == ["r1"]
    assert page.cursor.since is None


def test_f14a_forms_of_one_moment_leave_a_cursor_of_one_value(connect) -> None:  # type: ignore[no-untyped-def]
    """A bulk import stamps them all alike; a list of ids in the cursor would grow with the practice."""
    cursors = []
    for number in (1, 300):
        rows = [response(f"r{n}") for n in range(number)]
        with Script(paged(rows[:150], rows[150:])) as server:
            cursors.append(list(connect(server.base, page_size=150).pull(None))[-1].cursor)
    assert cursors == [Cursor(STREAM, since=datetime(2026, 11, 1, 10, tzinfo=UTC))] * 2


def test_f11_a_sorted_pull_can_go_on_from_each_page(connect) -> None:  # type: ignore[no-untyped-def]
    """The first pull of a large practice must not begin anew each time the laptop is closed."""
    with Script(paged([response("r1", stamp(1))], [response("r2", stamp(2))], [response("r3", stamp(3))])) as server:
        pages = list(connect(server.base).pull(None))
    assert [page.cursor.since.second for page in pages] == [1, 2, 3]
    assert all(page.sorted for page in pages)


@pytest.mark.parametrize("stamps", [(3, 2, 1), (2, 1, 3)])
def test_f12_f13_an_unsorted_pull_gives_a_cursor_only_at_its_end(connect, stamps: tuple[int, ...]) -> None:  # type: ignore[no-untyped-def]
    """With newest first, a cursor after page one would skip all that is older when the run breaks off."""
    rows = [response(f"r{s}", stamp(s)) for s in stamps]
    with Script(paged([rows[0], rows[1]], [rows[2]])) as server:
        first, last = connect(server.base).pull(None)
    assert first.cursor is None
    assert not first.sorted
    assert last.cursor.since == datetime(2026, 11, 1, 10, 0, 3, tzinfo=UTC)


def test_f12_a_self_link_without_the_filter_tells_that_it_was_ignored(connect) -> None:  # type: ignore[no-untyped-def]
    """Sorted by chance is not sorted."""
    pages = [[response("r1", stamp(1))], [response("r2", stamp(2))]]
    with Script(paged(*pages, own="http://x/fhir/QuestionnaireResponse?_count=500")) as server:
        first, last = connect(server.base).pull(CURSOR)
    assert first.cursor is None
    assert last.cursor is not None
    assert any("does not sort or filter" in note for note in first.warnings)


def test_f16_a_row_that_moves_while_rows_are_counted_makes_the_list_be_read_again(connect) -> None:  # type: ignore[no-untyped-def]
    """Row 0 amended after page one moves row 2 to a page already read: it was lost on two real servers."""
    rows = [response(f"r{n}", stamp(n)) for n in range(4)]
    walks = 0

    def reply(seen: Seen) -> Answer:
        nonlocal walks
        offset = int(asked(seen).get("_offset", "0"))
        if offset == 0:
            walks += 1
        if offset == 2 and walks == 1:
            moved = response("r0", "2026-11-22T12:00:05Z", version="2")
            rows[:] = [*rows[1:], moved]
        following = f"?_offset={offset + 2}" if offset + 2 < len(rows) else None
        return fhir(bundle(*rows[offset : offset + 2], following=following))

    with Script(reply) as server:
        pages = list(connect(server.base, page_size=2).pull(None))
    assert set(ids(pages)) == {"r0", "r1", "r2", "r3"}
    assert walks == 2
    assert pages[-1].cursor.token is None


def test_f16_a_broken_off_walk_is_not_forgotten(connect) -> None:  # type: ignore[no-untyped-def]
    """The run may end between the row's move and the end of the list; the cursor must remember where it began."""
    rows = [response(f"r{n}", stamp(n)) for n in range(6)]

    def reply(seen: Seen) -> Answer:
        query = asked(seen)
        since = query.get("_lastUpdated", "ge")[2:]
        fitting = sorted((r for r in rows if r["meta"]["lastUpdated"] >= since), key=lambda r: r["meta"]["lastUpdated"])
        offset = int(query.get("_offset", "0"))
        following = f"?_lastUpdated=ge{since}&_offset={offset + 2}" if offset + 2 < len(fitting) else None
        return fhir(bundle(*fitting[offset : offset + 2], following=following), Date=date)

    date = DATE
    with Script(reply) as server:
        walk = connect(server.base, page_size=2, overlap_minutes=0).pull(None)
        seen = ids([next(walk)])
        broken_off = next(walk)
        seen += ids([broken_off])
        walk.close()
        rows[0] = response("r0", "2026-11-22T12:00:05Z", version="2")
        rows[5] = response("r5", "2026-11-22T12:00:06Z", version="2")
        date = "Sun, 22 Nov 2026 12:30:00 GMT"  # the second run is later than the move
        rest = list(connect(server.base, page_size=2, overlap_minutes=0).pull(broken_off.cursor))
    assert set(seen + ids(rest)) == {f"r{n}" for n in range(6)}
    assert sum("second time" in note for page in rest for note in page.warnings) == 1


def test_f16_a_second_walk_that_was_not_begun_is_not_forgotten(connect) -> None:  # type: ignore[no-untyped-def]
    """The run may end just when the list is to be read again: the next one must read it from where the first began."""
    rows = [response(f"r{n}", stamp(n)) for n in range(4)]

    def reply(seen: Seen) -> Answer:
        query = asked(seen)
        since, offset = query.get("_lastUpdated", "ge")[2:], int(query.get("_offset", "0"))
        if offset and rows[0]["id"] == "r0":
            rows[:] = [*rows[1:], response("r0", "2026-11-22T12:00:05Z", version="2")]
        fitting = [r for r in rows if r["meta"]["lastUpdated"] >= since]
        following = f"?_lastUpdated=ge{since}&_offset={offset + 2}" if offset + 2 < len(fitting) else None
        return fhir(bundle(*fitting[offset : offset + 2], following=following))

    with Script(reply) as server:
        walk = connect(server.base, page_size=2, overlap_minutes=0).pull(None)
        first, last = next(walk), next(walk)
        walk.close()
        assert "r2" not in ids([first, last])
        rest = list(connect(server.base, page_size=2, overlap_minutes=0).pull(last.cursor))
    assert "r2" in ids(rest)
    assert rest[-1].cursor.token is None


@pytest.mark.parametrize("target", ["?_getpages=1", "?_getpages=0"])
def test_f18_a_circle_of_pages_is_left(connect, target: str) -> None:  # type: ignore[no-untyped-def]
    """A next link back to a page read would keep the sync going for ever."""
    with Script(lambda _: fhir(bundle(response("r1"), following=target))) as server:
        with pytest.raises(PlatformError, match="circle"):
            list(connect(server.base).pull(None))
        assert len(server.seen) <= 3


@pytest.mark.parametrize("status", [404, 410])
def test_f19_an_expired_search_is_begun_again_from_the_safe_place(connect, status: int) -> None:  # type: ignore[no-untyped-def]
    """HAPI drops a search after an hour; the pull of a large practice takes longer."""
    failed: list[int] = []

    def reply(seen: Seen) -> Answer:
        query = asked(seen)
        if "_getpages" in query and not failed:
            failed.append(1)
            return fhir({"resourceType": "OperationOutcome"}, status)
        if failed:
            return fhir(bundle(response("r2", stamp(2))))
        return fhir(bundle(response("r1", stamp(1)), following="?_getpages=1"))

    with Script(reply) as server:
        assert ids(list(connect(server.base, overlap_minutes=0).pull(None))) == ["r1", "r2"]
        assert asked(server.seen[2])["_lastUpdated"] == "ge2026-11-01T10:00:01Z"
    with Script(lambda s: fhir({}, 410)) as server, pytest.raises(Unreachable, match="again and again"):
        list(connect(server.base).pull(None))
    assert len(server.seen) == 4


@pytest.mark.parametrize("total", [0, 1, 99_999])
def test_f20_f21_f25_empty_pages_wrong_counts_and_totals_do_not_matter(connect, total: int) -> None:  # type: ignore[no-untyped-def]
    """Only the next link says whether there is more: not a page with nothing, less or more than asked for, no total."""
    rows = [response(f"r{n}") for n in range(6)]
    with Script(paged([], rows[:1], [], rows[1:5], rows[5:], total=total)) as server:
        assert ids(list(connect(server.base, page_size=2).pull(None))) == [f"r{n}" for n in range(6)]


def test_f28_a_page_that_is_too_costly_is_halved(connect) -> None:  # type: ignore[no-untyped-def]
    """The server's limit is not known before it is met."""

    def reply(seen: Seen) -> Answer:
        size = int(asked(seen)["_count"])
        if size > 300:
            return fhir({"resourceType": "OperationOutcome", "issue": [{"code": "too-costly"}]}, 422)
        return fhir({}, 413) if size > 100 else fhir(bundle(response("r1")))

    with Script(reply) as server:
        (page,) = connect(server.base).pull(None)
        assert page.cursor.page_size == 62
        server.seen.clear()
        list(connect(server.base).pull(page.cursor))
        assert asked(server.seen[0])["_count"] == "62"


def test_f33_a_record_on_which_the_server_fails_is_read_round(connect) -> None:  # type: ignore[no-untyped-def]
    """One record that the server cannot send must not stand before all others for ever."""

    def reply(seen: Seen) -> Answer:
        query = asked(seen)
        if "_elements" in query:
            return fhir(bundle(*({**response(f"r{n}", stamp(n))} for n in range(3))))
        if "/QuestionnaireResponse/r1" in seen.path or "?" in seen.path:
            return fhir({}, 500)
        return fhir(response(seen.path.rpartition("/")[2], stamp(2)))

    with Script(reply) as server:
        (page,) = connect(server.base).pull(None)
    assert ids([page]) == ["r0", "r2"]
    assert [one.remote_id for one in page.set_aside] == ["r1"]
    assert page.cursor.since == datetime(2026, 11, 1, 10, 0, 2, tzinfo=UTC)


def test_f29_a_form_that_is_too_big_alone_is_set_aside(connect) -> None:  # type: ignore[no-untyped-def]
    """One form with a film in it must not stand before all others for ever."""
    flood = response("r1", stamp(1), note="x" * 200_000)

    def reply(seen: Seen) -> Answer:
        if "_elements" in asked(seen):
            return fhir(bundle(*(response(f"r{n}", stamp(n)) for n in range(3))))
        if "?" in seen.path:
            return fhir(bundle(flood))
        name = seen.path.rpartition("/")[2]
        return fhir(flood if name == "r1" else response(name, stamp(2)))

    with Script(reply) as server:
        (page,) = connect(server.base, limits=Limits(wire=100_000)).pull(None)
    assert ids([page]) == ["r0", "r2"]
    assert [(one.remote_id, one.reason) for one in page.set_aside] == [("r1", QuarantineReason.UNREADABLE)]


def test_strict_first_lenient_where_the_server_refuses(connect) -> None:  # type: ignore[no-untyped-def]
    """A server that refuses to sort can still be read, with its order watched."""

    def reply(seen: Seen) -> Answer:
        if seen.headers.get("Prefer") == "handling=strict":
            return fhir({"resourceType": "OperationOutcome", "issue": [{"code": "not-supported"}]}, 400)
        return fhir(bundle(response("r2", stamp(2)), response("r1", stamp(1))))

    with Script(reply) as server:
        (page,) = connect(server.base).pull(None)
        assert not page.sorted
    with Script(lambda _: fhir({}, 404)) as server, pytest.raises(Unsupported, match="QuestionnaireResponse"):
        list(connect(server.base).pull(None))


def test_one_page_ahead_and_a_clean_end(connect) -> None:  # type: ignore[no-untyped-def]
    """More pages ahead would cost memory; a thread left behind would keep the program from ending."""
    release = threading.Event()

    def reply(seen: Seen) -> Answer:
        number = int(asked(seen).get("_getpages", "0"))
        if number == 2:
            release.wait(20)
        return fhir(bundle(response(f"r{number}"), following=f"?_getpages={number + 1}"))

    with Script(reply) as server:
        walk = connect(server.base).pull(None)
        next(walk)
        next(walk)
        walk.close()
        release.set()
        assert len(server.seen) <= 3
    assert not [t for t in threading.enumerate() if t.name == "handrail-next-page"]


def test_fetch_gives_what_is_there_and_names_what_is_gone(connect) -> None:  # type: ignore[no-untyped-def]
    """A set-aside form is read again by id; a server that answers everybody's must not slip another in."""

    def reply(seen: Seen) -> Answer:
        if "?" in seen.path:
            return fhir(bundle(response("r1"), response("stranger")))
        if seen.path.endswith("/r2"):
            return fhir(response("r2"))
        if seen.path.endswith("/r3"):
            return fhir(response("another"))
        return fhir({"resourceType": "OperationOutcome"}, 410)

    with Script(reply) as server:
        page = connect(server.base).fetch(["r1", "r2", "r3", "r4", "../x"])
    assert ids([page]) == ["r1", "r2"]
    assert list(page.gone) == ["r3", "r4"]


def test_clients_are_those_that_were_asked_for(connect) -> None:  # type: ignore[no-untyped-def]
    """A server that ignores `_id` would otherwise put another person's name on a course."""
    one = {
        "resourceType": "Patient",
        "id": "p1",
        "name": [{"use": "old", "text": "Old"}, {"use": "official", "given": ["Ann", "B"], "family": "Case"}],
        "generalPractitioner": [{"reference": "Organization/o"}, {"reference": "Practitioner/t", "display": "T"}],
    }

    def reply(seen: Seen) -> Answer:
        if "?" in seen.path:
            return fhir(bundle(one, {"resourceType": "Patient", "id": "p9"}))
        return fhir({"resourceType": "Patient", "id": "p2"}) if seen.path.endswith("p2") else fhir({}, 404)

    with Script(reply) as server:
        found = list(connect(server.base).clients(["Patient/p1", "Patient/p2", "Patient/p3", "Group/p1"]))
    assert [(c.ref, c.name, c.clinician, c.clinician_name) for c in found] == [
        ("Patient/p1", "Ann B Case", "Practitioner/t", "T"),
        ("Patient/p2", None, None, None),
    ]


@pytest.mark.parametrize(("of", "most"), [("{:036d}", 51), ("p{:d}", 200)])
def test_clients_are_asked_for_in_addresses_that_servers_take(connect, of: str, most: int) -> None:  # type: ignore[no-untyped-def]
    """Each look-up waits for a far server, so there are to be few; IIS refuses addresses over 2,048 characters."""
    known = [of.format(number) for number in range(1000, 1401)]

    def reply(seen: Seen) -> Answer:
        wanted = asked(seen)["_id"].split(",")
        assert asked(seen)["_count"] == str(len(wanted))
        return fhir(bundle(*({"resourceType": "Patient", "id": one} for one in wanted if one in known)))

    with Script(reply) as server:
        found = list(connect(server.base).clients([f"Patient/{one}" for one in known]))
    assert [one.ref for one in found] == [f"Patient/{one}" for one in known]
    assert max(len(server.base + one.path) for one in server.seen) <= 2048
    assert max(len(asked(one)["_id"].split(",")) for one in server.seen) == most


def test_the_server_clock_of_the_script_is_what_the_tests_think() -> None:
    """F7 and F16 hang on it."""
    assert DATE.endswith("12:00:00 GMT")
