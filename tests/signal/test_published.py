"""Published change statistics: numbers by hand, boundaries as published, nothing from nothing."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import stdev

import pytest
from handrail.plugin_core.cli import run as command
from handrail.plugin_core.errors import UsageError
from handrail.plugin_core.signal import published
from handrail.plugin_core.signal.published import Functional, Pairs, by_difference, change, cutoff
from hypothesis import given
from hypothesis import strategies as st

PRE, POST = [30.0, 25.0, 28.0, 20.0, 27.0], [10.0, 24.0, 15.0, 31.0, 26.0]
PAIRS = Pairs(PRE, POST)


def test_jacobson_truax_by_hand() -> None:
    """The one index that everybody recomputes."""
    found = change(PAIRS, 0.84, lower_is_better=True)
    sd = stdev(PRE)
    assert found.sd == sd
    assert found.s_diff == pytest.approx(sd * (1 - 0.84) ** 0.5 * 2**0.5)
    assert found.index[0] == pytest.approx(-20 / found.s_diff)
    assert found.counts() == {"improved": 2, "unchanged": 2, "deteriorated": 1, "recovered": None, "harmed": None}


def test_a_cut_off_tells_recovered_from_improved() -> None:
    """Recovered: reliably better, from the clinical side over the cut-off; each client counts once."""
    limit = cutoff("c", PAIRS, True, Functional(10, 4))
    assert limit == pytest.approx((PAIRS.sd * 10 + 4 * 26) / (PAIRS.sd + 4))
    counts = change(PAIRS, 0.84, lower_is_better=True, limit=limit).counts()
    assert counts == {"improved": 0, "unchanged": 2, "deteriorated": 1, "recovered": 2, "harmed": 0}


def test_cut_offs_a_and_b() -> None:
    """Two SDs better than before; two SDs worse than the functional mean."""
    assert cutoff("a", PAIRS, True, None) == pytest.approx(26 - 2 * PAIRS.sd)
    assert cutoff("b", PAIRS, True, Functional(10, 4)) == 18
    assert cutoff("b", PAIRS, False, Functional(40, 4)) == 32
    with pytest.raises(UsageError):
        cutoff("c", PAIRS, True, None)


@pytest.mark.parametrize(
    ("method", "first"),
    [("GLN", -9.370), ("HLL", -7.047), ("EN", -12.711), ("NK", -9.733)],
)
def test_the_variants_by_hand(method: str, first: float) -> None:
    """Recomputed from the formulas with M1 26, M2 21.2, s1 3.808, r .84."""
    assert change(PAIRS, 0.84, lower_is_better=True, method=method).index[0] == pytest.approx(first, abs=0.002)


def test_hageman_arrindell_draws_to_the_mean_change() -> None:
    """With a difference reliability of d the change is d of its own and the rest of everybody's."""
    found = change(PAIRS, 0.84, lower_is_better=True, method="HA")
    plain = change(PAIRS, 0.84, lower_is_better=True)
    assert abs(found.index[0]) < abs(plain.index[0]) * 1.05
    assert found.counts()["improved"] == 2


def test_a_difference_counts_from_at_least() -> None:
    """An index from more than 1.96, a minimal difference from exactly five points on."""
    assert by_difference(Pairs([10, 10], [5, 5.1]), lower_is_better=True, least=5) == ["improved", "unchanged"]
    assert by_difference(Pairs([10, 0], [5, 0]), lower_is_better=True, least=50, percent=True) == [
        "improved",
        "unchanged",
    ]


@given(
    st.lists(st.tuples(st.integers(0, 27), st.integers(0, 27)), min_size=3, max_size=40),
    st.floats(0.1, 0.95),
    st.sampled_from(["JT", "GLN", "HLL", "EN", "NK"]),
)
def test_turning_the_scale_round_turns_nothing_else(rows: list[tuple[int, int]], r: float, method: str) -> None:
    """Lower-is-better of a scale is higher-is-better of its mirror image."""
    pairs = Pairs([float(a) for a, _ in rows], [float(b) for _, b in rows])
    mirror = Pairs([27.0 - a for a, _ in rows], [27.0 - b for _, b in rows])
    if pairs.sd == 0:
        with pytest.raises(UsageError):
            change(pairs, r, lower_is_better=True, method=method)
        return
    one = change(pairs, r, lower_is_better=True, method=method)
    other = change(mirror, r, lower_is_better=False, method=method)
    assert one.kinds == other.kinds
    assert sum(one.counts()[kind] or 0 for kind in ("improved", "unchanged", "deteriorated")) == len(rows)


@pytest.mark.parametrize("reliability", [0, 1, 1.2])
def test_a_reliability_outside_is_refused(reliability: float) -> None:
    """No error, or all error, gives an index of nothing."""
    with pytest.raises(UsageError):
        published.check(PAIRS, reliability)


def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, *more: str) -> tuple[int, str]:
    file = tmp_path / "scores.csv"
    file.write_text(text)
    words = ["change", str(file), "--pre", "a", "--post", "b", "--better", "lower", "--reliability", "0.84", *more]
    status = command(["--settings", str(tmp_path / "none.toml"), *words])
    found = capsys.readouterr()
    return status, found.out + found.err


def test_the_command_gives_the_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Clients without both scores are left out of everything, the SD too."""
    rows = "".join(f"c{n},{a:g},{b:g}\n" for n, (a, b) in enumerate(zip(PRE, POST, strict=True)))
    out = tmp_path / "out.csv"
    status, text = run(tmp_path, capsys, f"client,a,b\n{rows}x,99,\n", "--json", "-o", str(out))
    assert status == 0
    facts = json.loads(text)
    assert facts["n"] == 5
    assert facts["sd"] == pytest.approx(stdev(PRE))
    assert facts["counts"]["recovered"] is None
    assert facts["cutoff"] is None
    assert len(out.read_text().splitlines()) == 6


def test_a_cell_that_is_no_number_is_named_by_its_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The row and the column, never what stands there."""
    status, text = run(tmp_path, capsys, "client,a,b\nx,1,2\ny,secret,3\n")
    assert status == 2
    assert "Row 3" in text
    assert "secret" not in text


def test_a_client_with_two_rows_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counted twice, one client would be two who got better. The row is named, the client is not."""
    status, text = run(tmp_path, capsys, "client,a,b\nsecret,1,2\ny,4,3\nsecret,2,2\n")
    assert status == 2
    assert "Row 4" in text
    assert "secret" not in text
