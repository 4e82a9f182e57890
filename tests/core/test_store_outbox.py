"""The outbox is state: how a flag should look on the platform, how it looks there, and what is to be sent of that."""

from __future__ import annotations

from functools import partial

import pytest
from handrail.plugin_core.store import Store, Tx, flags, outgoing
from handrail.plugin_core.store.outgoing import Outgoing
from handrail.schemas.vocab import DeliveryState, FlagState, RemoteState
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .samples import CANARY, client_of, everything, flag, raise_flag

KEY = "f" * 32
ACTIVE, INACTIVE, RETRACTED, ABSENT = (
    RemoteState.ACTIVE,
    RemoteState.INACTIVE,
    RemoteState.RETRACTED,
    RemoteState.ABSENT,
)


def pending(store: Store, source: int, now: int = 0) -> list[Outgoing]:
    with store.reading(source) as tx:
        return outgoing.pending(tx, 50, now)


def want(store: Store, source: int, state: RemoteState, carriers: tuple[str, ...] = ("flag",)) -> None:
    store.write(lambda tx: outgoing.want(tx, {KEY: state}, carriers), source)


def send(store: Store, source: int, remote_id: str = "Flag/1") -> None:
    """The platform takes what is pending."""
    (item,) = pending(store, source)
    store.write(lambda tx: outgoing.sending(tx, item), source)
    store.write(lambda tx: outgoing.sent(tx, item, remote_id, "1"), source)


def test_a_raised_flag_goes_out_once_with_what_the_platform_needs(store: Store, source: int) -> None:
    """And, once sent, not again."""
    raised = raise_flag(store, source, KEY)
    (item,) = pending(store, source)
    assert (item.flag, item.client, item.rule, item.carrier) == (KEY, raised.client, "P1", "flag")
    assert (item.wanted, item.on_platform, item.opened, item.remote_id) == (ACTIVE, ABSENT, raised.opened, None)
    send(store, source)
    assert pending(store, source) == []
    want(store, source, ACTIVE)
    assert pending(store, source) == []


def test_update_and_retraction_go_by_the_remote_id(store: Store, source: int) -> None:
    """What was made there is found again by the platform's own id and version."""
    raise_flag(store, source, KEY)
    send(store, source, f"Flag/{CANARY}")
    for state in (INACTIVE, ACTIVE, RETRACTED):
        want(store, source, state)
        (item,) = pending(store, source)
        assert (item.wanted, item.remote_id, item.remote_version) == (state, f"Flag/{CANARY}", "1")
        send(store, source, f"Flag/{CANARY}")


@pytest.mark.parametrize("then", [INACTIVE, RETRACTED])
def test_f87_a_pair_that_cancels_out_is_never_sent(store: Store, source: int, then: RemoteState) -> None:
    """Raised and cleared before anything went out: nobody needs to see it."""
    raise_flag(store, source, KEY)
    want(store, source, then)
    assert pending(store, source) == []
    want(store, source, ACTIVE)
    assert [item.wanted for item in pending(store, source)] == [ACTIVE]


@pytest.mark.parametrize("then", [INACTIVE, RETRACTED])
def test_f82_what_may_have_arrived_does_not_cancel_out(store: Store, source: int, then: RemoteState) -> None:
    """The process died after the POST: the flag may stand on the platform, so it must be looked for and taken back."""
    raise_flag(store, source, KEY)
    (item,) = pending(store, source)
    store.write(lambda tx: outgoing.sending(tx, item), source)
    want(store, source, then)
    assert [(found.wanted, found.remote_id) for found in pending(store, source)] == [(then, None)]
    want(store, source, RETRACTED)
    assert [found.wanted for found in pending(store, source)] == [RETRACTED]
    send(store, source)
    assert pending(store, source) == []


def test_f81_a_lost_answer_does_not_cancel_out_either(store: Store, source: int) -> None:
    """The outcome of the write is unknown until somebody looked."""
    raise_flag(store, source, KEY)
    (item,) = pending(store, source)
    store.write(lambda tx: outgoing.not_sent(tx, item, "the platform did not answer", refused=False), source)
    want(store, source, INACTIVE)
    assert [found.wanted for found in pending(store, source)] == [INACTIVE]


def test_f88_a_refusal_is_kept_and_shown_and_costs_the_others_nothing(store: Store, source: int) -> None:
    """A lost prompt is a clinical event: it stays visible, and the same wish does not send it again and again."""
    raise_flag(store, source, KEY)
    raise_flag(store, source, "e" * 32, number=1)
    item = pending(store, source)[0]
    store.write(lambda tx: outgoing.not_sent(tx, item, "the chart is closed", refused=True), source)
    want(store, source, ACTIVE)
    assert [found.flag for found in pending(store, source)] == ["e" * 32]
    with store.reading(source) as tx:
        (row,) = outgoing.deliveries_of(tx, [KEY])[KEY]
        assert (row.state, row.problem) == ("refused", "the chart is closed")
        assert outgoing.counts(tx)["refused"] == 1
    want(store, source, INACTIVE)
    assert [found.flag for found in pending(store, source)] == ["e" * 32], "never created, hence nothing to take back"


def test_a_delivery_waits_until_its_time(store: Store, source: int) -> None:
    """A fault of one delivery is tried again later, with the reason kept; the same wish does not shorten the wait."""
    raise_flag(store, source, KEY)
    (item,) = pending(store, source)
    store.write(lambda tx: outgoing.not_sent(tx, item, "came back as 409", refused=False, not_before_ms=5000), source)
    want(store, source, ACTIVE)
    assert pending(store, source, 4999) == []
    (again,) = pending(store, source, 5000)
    assert again.attempts == 1
    with store.reading(source) as tx:
        assert outgoing.counts(tx)["pending"] == 1
        assert outgoing.counts(tx)["oldest_ms"] > 0


def test_a_result_does_not_hide_what_was_wanted_meanwhile(store: Store, source: int) -> None:
    """A person withdraws while the creation is on its way: the retraction must still go out."""
    raise_flag(store, source, KEY)
    (item,) = pending(store, source)
    store.write(lambda tx: outgoing.sending(tx, item), source)
    want(store, source, RETRACTED)
    store.write(lambda tx: outgoing.sent(tx, item, "Flag/1", "1"), source)
    (left,) = pending(store, source)
    assert (left.wanted, left.on_platform, left.remote_id) == (RETRACTED, ACTIVE, "Flag/1")


def test_what_was_made_by_one_carrier_is_taken_back_there(store: Store, source: int) -> None:
    """The practice changed to tasks since: the old flag object must not stay behind."""
    raise_flag(store, source, KEY, ["flag"])
    send(store, source)
    want(store, source, RETRACTED, ("task",))
    assert [(item.carrier, item.wanted) for item in pending(store, source)] == [("flag", RETRACTED)]


def test_a_carrier_chosen_later_gets_what_stands(store: Store, source: int) -> None:
    """And only that: shown, of the kinds that are pushed, and once."""
    raise_flag(store, source, KEY, ["flag"])
    send(store, source)
    hidden = flag("d" * 32, client_of(store, source), number=2)
    cleared = flag("c" * 32, client_of(store, source), state=FlagState.CLEARED)
    note = flag("b" * 32, client_of(store, source))

    def work(tx: Tx) -> None:
        flags.save(tx, [(hidden, "prompt"), (cleared, "prompt"), (note, "safety")])

    store.write(work, source)
    store.write(lambda tx: tx.conn.exec_driver_sql(f"UPDATE flags SET shown = false WHERE key = '{'d' * 32}'"), source)
    with store.reading(source) as tx:
        assert outgoing.unqueued(tx, ["flag", "task"], ["prompt"]) == {KEY: ACTIVE}
        assert outgoing.unqueued(tx, ["flag"], ["prompt"]) == {}
    want(store, source, ACTIVE, ("flag", "task"))
    assert [(item.carrier, item.wanted) for item in pending(store, source)] == [("task", ACTIVE)]


def test_oldest_flags_go_first_and_no_more_than_asked_for(store: Store, source: int) -> None:
    """F89: after a day without the platform the outbox is drained in order, a batch at a time."""
    for number in (3, 1, 2):
        raise_flag(store, source, str(number) * 32, number=number)
    with store.reading(source) as tx:
        assert [item.flag[0] for item in outgoing.pending(tx, 2, 0)] == ["1", "2"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["raise", "clear", "withdraw", "send", "lose", "die", "refuse"]), max_size=12))
def test_whatever_happens_the_platform_ends_as_wanted(store: Store, source: int, steps: list[str]) -> None:
    """A model of the platform beside the outbox: after a last quiet round there is one object at most, as wanted."""
    wishes = {"raise": ACTIVE, "clear": INACTIVE, "withdraw": RETRACTED}
    there: RemoteState = ABSENT
    store.write(lambda tx: tx.conn.exec_driver_sql("DELETE FROM deliveries"), source)
    raise_flag(store, source, KEY)
    wanted, refused = ACTIVE, False

    def deliver(item: Outgoing) -> RemoteState:
        return there if there is ABSENT and item.wanted is not ACTIVE else item.wanted

    for step in [*steps, "send"]:
        if step in wishes:
            wanted, refused = wishes[step], refused and wishes[step] is wanted
            want(store, source, wanted)
            continue
        for item in pending(store, source):
            store.write(partial(outgoing.sending, item=item), source)
            if step == "refuse":
                store.write(partial(outgoing.not_sent, item=item, problem="no", refused=True), source)
                refused = True
                continue
            there = deliver(item)
            if step == "send":
                store.write(partial(outgoing.sent, item=item, remote_id="Flag/1", remote_version="1"), source)
            elif step == "lose":
                store.write(partial(outgoing.not_sent, item=item, problem="?", refused=False), source)
    if refused:
        assert everything(store)["deliveries"][0]["state"] == DeliveryState.REFUSED
    elif there is ABSENT:
        assert wanted is not ACTIVE
    else:
        assert there is wanted
    assert pending(store, source) == []
