"""The report of a table: days counted right, and a page that shows names and never runs them."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.dashboard.coverage import save_report
from cryptodask.prices.clean.findings import file_finding, join_findings, summarize_findings
from cryptodask.prices.coverage import MOST_SPANS, measure_coverage

HOSTILE = ["<script>alert(1)</script>", '</script>"><img src=x onerror=alert(2)>', "$$x^2$$", "A&B"]


def rows(days: dict[str, list[int]]) -> pd.DataFrame:
    """Rows of coins on days counted from 2020-01-01."""
    start = np.datetime64("2020-01-01")
    frames = [
        pd.DataFrame({"coin": coin, "date": (start + np.array(d, dtype=int)).astype("M8[s]")})
        for coin, d in days.items()
    ]
    return pd.concat(frames, ignore_index=True)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("ABC"),
        st.sets(st.integers(0, 2_000), min_size=1, max_size=30),
        min_size=1,
    )
)
def test_every_day_of_every_coin_is_counted_once(days: dict[str, set[int]]) -> None:
    frame = rows({coin: sorted(d) for coin, d in days.items()})
    first, last = frame["date"].min(), frame["date"].max()
    frames = [part for _, part in frame.groupby("coin")]
    coverage = measure_coverage(frames, sorted(days), first, last)
    n_days = (last - first).days + 1
    assert coverage.shares.shape[1] <= MOST_SPANS
    lengths = np.full(coverage.shares.shape[1], coverage.span)
    lengths[-1] = n_days - coverage.span * (len(lengths) - 1)
    counted = (coverage.shares * lengths).sum(axis=1).round().astype(int)
    assert counted.tolist() == [len(days[coin]) for coin in sorted(days)]
    assert (coverage.shares <= 1).all()
    assert coverage.coins == tuple(sorted(days))


def test_a_gap_is_where_it_is() -> None:
    frame = rows({"A": [0, 1, 4], "B": [0, 1, 2, 3, 4]})
    coverage = measure_coverage([frame], ["A", "B"], date(2020, 1, 1), date(2020, 1, 5))
    assert coverage.span == 1
    assert coverage.shares.tolist() == [[1, 1, 0, 0, 1], [1, 1, 1, 1, 1]]


@pytest.mark.slow
def test_hostile_names_and_values_are_shown_and_never_run(tmp_path: Path, open_page) -> None:
    frame = rows({name: list(range(400)) for name in HOSTILE})
    findings = join_findings(
        file_finding("unreadable_file", name, f"{name}.csv", f"is {name}") for name in HOSTILE
    )
    coverage = measure_coverage([frame], HOSTILE, frame["date"].min(), frame["date"].max())
    path = tmp_path / "report.html"
    save_report(path, coverage, summarize_findings(findings), findings, HOSTILE[0])
    page = open_page(path)  # no dialog, no error, no other request
    page.get_by_text("4 of 4 shown").wait_for()
    cells = page.locator(".slick-cell").all_inner_texts()
    for name in HOSTILE:
        assert name in cells
        assert f"is {name}" in cells
    box = page.locator(".bk-Figure").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.85)
    page.locator(".bk-tooltip-row-value:visible", has_text=HOSTILE[0]).wait_for()


@pytest.mark.slow
def test_findings_are_filtered_by_kind_and_searched_by_words(tmp_path: Path, open_page) -> None:
    frame = rows({"ada": [0, 1]})
    files = [
        file_finding(kind, f"{kind}-{i}", f"{i}.csv", f"is odd {i}")
        for kind in ("unreadable_file", "not_a_price_file")
        for i in range(3_000)
    ]
    findings = join_findings(files)
    coverage = measure_coverage([frame], ["ada"], frame["date"].min(), frame["date"].max())
    save_report(tmp_path / "r.html", coverage, summarize_findings(findings), findings, "one coin")
    page = open_page(tmp_path / "r.html")
    page.get_by_text("6,000 of 6,000 shown").wait_for()
    page.get_by_label("Search").fill("ODD 2999")
    page.get_by_text("2 of 6,000 shown").wait_for()
    page.get_by_label("Kind").select_option("not_a_price_file")
    page.get_by_text("1 of 6,000 shown").wait_for()
    name = page.locator(".slick-cell", has_text="not_a_price_file-2999")
    name.hover()  # which has no room in its column
    assert name.get_attribute("title") == "not_a_price_file-2999"
    page.get_by_label("Search").fill("no such words")
    page.get_by_text("0 of 6,000 shown").wait_for()
