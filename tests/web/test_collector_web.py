"""The way of asking called `web`: the platform's messages, else a neutral letter, else a link handed over."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from handrail.plugin_core.collecting.weblink import WEB
from handrail.plugin_core.contracts import Ask, Asked, CollectorContext, Letter
from handrail.plugin_core.errors import AddressRefused, Unsupported
from handrail.plugin_core.instruments import builtin_one
from handrail.schemas.records import Client

LINK = "https://desk.practice.example/f/abc"
DUE = datetime(2026, 5, 4, 12, tzinfo=UTC)
ASK = Ask(Client("Patient/c1", "Anna Invented", email="anna@client.example"), builtin_one("gr18"), DUE, "ab" * 16,
          DUE + timedelta(days=7))  # fmt: skip


@dataclass
class Platform:
    """A platform that delivers links, or refuses."""

    refused: str | None = None
    got: list[str] = field(default_factory=list)

    def deliver(self, ask: Ask, link: str) -> Asked:
        self.got.append(f"{link} {ask.reminder}")
        return Asked(sent=self.refused is None, remote_id="message-1", refused=self.refused)

    def ask(self, ask: Ask) -> Asked:
        raise AssertionError("the platform's own form is another way of asking")

    remind = withdraw = ask


class Ways:
    """What was sent, by which way."""

    def __init__(self, platform: Platform | None = None, *, mails: bool = True, bounces: bool = False) -> None:
        self.platform = platform
        self.letters: list[Letter] = []
        self.bounces = bounces
        self.context = CollectorContext("North Road", "en", "", "It is up to you.", self._sender, self._post,
                                        lambda ask: LINK, mails, platform is not None)  # fmt: skip

    def _sender(self) -> Any:
        if self.platform is None:
            raise Unsupported("no")
        return self.platform

    def _post(self, letter: Letter) -> None:
        if self.bounces:
            raise AddressRefused("no such address", passing=False)
        self.letters.append(letter)


def test_the_platform_delivers_where_it_can() -> None:
    """Clients read it where they read the practice's other messages; no letter besides."""
    ways = Ways(Platform())
    assert WEB.ask(ASK, ways.context) == Asked(sent=True, remote_id="message-1")
    assert WEB.remind is not None
    WEB.remind(replace(ASK, reminder=1), ways.context)
    assert ways.platform is not None
    assert ways.platform.got == [f"{LINK} 0", f"{LINK} 1"]
    assert ways.letters == []


@pytest.mark.parametrize("platform", [None, Platform(refused="not on the portal")])
def test_else_a_neutral_letter_goes_out(platform: Platform | None) -> None:
    """No form's name, no client's name, no word about health; the link and that it is up to them."""
    ways = Ways(platform)
    assert WEB.ask(ASK, ways.context) == Asked(sent=True)
    (letter,) = ways.letters
    assert letter.to == "anna@client.example"
    assert LINK in letter.text
    for word in ("Growth", "reliance", "gr18", "Anna", "therap", "question", "health"):
        assert word not in letter.text + letter.subject


@pytest.mark.parametrize(
    "ways", [Ways(mails=False), Ways(bounces=True)], ids=["no mail server", "an address that takes no mail"]
)
def test_else_staff_hand_the_link_over(ways: Ways) -> None:
    """It is on the list to hand over; a reminder says plainly that nothing reaches this client by itself."""
    assert WEB.ask(ASK, ways.context) == Asked(sent=False, link=LINK)
    assert WEB.remind is not None
    again = WEB.remind(replace(ASK, reminder=1), ways.context)
    assert again.refused is not None
    assert "Hand the link over" in again.refused


def test_a_platform_that_delivers_nothing_is_not_waited_for() -> None:
    """It may be down, or need a sign-in; the letter goes out all the same."""
    ways = Ways()

    def opened() -> Any:
        raise AssertionError("the platform was opened")

    assert WEB.ask(ASK, replace(ways.context, sender=opened)) == Asked(sent=True)


def test_without_an_address_one_sentence_says_what_to_fill_in() -> None:
    """A link to nowhere is worse than none."""
    context = replace(Ways().context, link=None)
    with pytest.raises(Unsupported, match=r"\[web\] address"):
        WEB.ask(ASK, context)
