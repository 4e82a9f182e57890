"""Healthie: its errors come with status 200, its lists by cursors, its versions end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from handrail.adapters.healthie.spec import SPEC
from handrail.plugin_core.errors import Denied, NotTheApi, PlatformError, Unsupported
from handrail.plugin_core.testing import Reply
from handrail.plugin_core.testing.bench import Bench

from .doubles.healthie import TEMPLATE, HealthieDouble

ONE = "1f" * 16


class TestErrors(Bench):
    """Over the double, whose answers are changed on their way."""

    spec = SPEC
    double: HealthieDouble

    def platform(self) -> HealthieDouble:
        return HealthieDouble()

    def setup_method(self, method: object = None) -> None:
        super().setup_method(method)
        self.confirmed[TEMPLATE] = ("gr18", "1")

    # --- errors with status 200 ---------------------------------------------------------------------------------

    def answering(self, errors: list[Mapping[str, Any]], data: Any = None) -> None:
        """Reads bring these errors, with status 200."""
        self.double.plant(lambda _, __: Reply(200, {"data": data, "errors": errors}), times=1000)

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            ("UNAUTHENTICATED", Denied),
            ("FORBIDDEN", Denied),
            ("UNSUPPORTED_API_VERSION", Unsupported),
            ("MISSING_API_VERSION_HEADER", Unsupported),
            ("SOMETHING_NEW", PlatformError),
        ],
    )
    def test_f26_errors_that_come_with_status_200_are_errors(self, code: str, kind: type[PlatformError]) -> None:
        """Taken for an answer, a refused query would be "no forms", and the cursor would pass real ones."""
        self.answering([{"message": "Ada Kestrelmeier is wrong", "extensions": {"code": code}}])
        done = self.pull(self.open())
        assert isinstance(done.error, kind)
        assert done.cursor is None
        assert "Kestrelmeier" not in done.error.message

    def test_f26_an_answer_with_errors_beside_data_is_an_error(self) -> None:
        """GraphQL gives half an answer with its errors; half a page would be taken for the whole."""
        empty = {"formAnswerGroups": {"nodes": [], "page_info": {"has_next_page": False, "end_cursor": None}}}
        self.answering([{"message": "one form failed"}], empty)
        done = self.pull(self.open())
        assert done.error is not None
        assert done.cursor is None

    @pytest.mark.parametrize("end", [None, "", "5"])
    @pytest.mark.parametrize("walk", ["pull", "listing", "forms"])
    def test_f27_a_cursor_that_does_not_move_ends_with_an_error(
        self, walk: str, end: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Taken for the end of the list, what lies behind it would be missed, or be withdrawn as deleted; followed, the
        sync would never end."""
        self.fill(self.double.page_size * 2)
        for number in range(7):
            self.double.put("forms", {"name": f"Another {number}", "external_id": None, "external_id_type": None})
        page = self.double._page

        def stuck(*given: Any) -> dict[str, Any]:
            found = page(*given)
            found["page_info"] = {"has_next_page": True, "end_cursor": end}
            return found

        monkeypatch.setattr(self.double, "_page", stuck)
        adapter = self.open()
        with pytest.raises(PlatformError, match="in a circle"):
            list(adapter.pull(None) if walk == "pull" else adapter.listing() if walk == "listing" else adapter.forms())

    def test_a_connection_that_is_null_is_no_empty_list(self) -> None:
        """So a key answers that may not see forms."""
        self.double.plant(lambda _, __: Reply(200, {"data": {"formAnswerGroups": None}}), times=1000)
        assert isinstance(self.pull(self.open()).error, NotTheApi)

    def test_a_field_that_is_refused_is_named_without_the_platforms_words(self) -> None:
        """Messages of a mutation may quote the client's name; the list by hand shows the refusal."""
        message = {"field": "client_id", "message": "Ada Kestrelmeier has left"}
        refused = {"createTask": {"task": None, "messages": [message]}}
        self.double.plant(lambda _, __: Reply(200, {"data": refused}), on="write", times=1000)
        done = self.open().carrier("task").deliver(self.notice(ONE), None, None)
        assert done.refused
        assert "Kestrelmeier" not in done.refused

    def test_a_page_that_costs_too_much_is_asked_for_smaller(self) -> None:
        """Complexity over 2000 is refused for ever: the same page again would stop the sync for good."""
        given = self.fill(12)
        self.double.most_rows = 7
        assert set(given) <= self.pull_all(self.open()).ids

    def test_a_version_that_ends_is_said_once_with_its_day(self) -> None:
        """On that day the sync would stop; the practice needs the update before."""
        warning = {"code": "API_VERSION_SUNSET_WARNING", "message": "x", "sunset_date": "2027-01-31"}
        self.double.warnings = [warning, {"code": "NEW_ONE", "message": "Ada Kestrelmeier"}]
        self.fill(12)
        self.pull_all(self.open())
        assert [one for one in self.said if "2027-01-31" in one] == self.said[:1]
        assert len(self.said) == 2
        assert "Kestrelmeier" not in " ".join(self.said)

    def test_key_version_and_shard_go_with_every_request(self) -> None:
        """The key goes as it is: written as a user name and password it is refused."""
        self.fill(2)
        self.pull_all(self.open(shard="shard-7"))
        headers = [one.request.headers for one in self.double.seen]
        assert headers
        assert all(one["healthie-graphql-api-version"] == "2026-01-01" for one in headers)
        assert all(one["authorizationsource"] == "API" and one["authorizationshard"] == "shard-7" for one in headers)
