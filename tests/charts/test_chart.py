"""Charts: what a notebook gets of them, as a live figure and as a picture."""

import base64
import warnings
from pathlib import Path

import numpy as np
import pytest

from cryptodask.charts import Band, Cells, Chart, Line, Pane, facts_html, table_html
from cryptodask.errors import OptionError

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> $$\\alpha$$ @y{safe}"
PNG = b"\x89PNG\r\n"


def dates(n: int, start: str = "2024-01-01") -> np.ndarray:
    return (np.datetime64(start, "s") + np.arange(n) * np.timedelta64(1, "D")).astype(
        "datetime64[s]"
    )


def chart_of(name: str = "ada", log: bool = False) -> Chart:
    x, y = dates(5), np.array([1.0, 2.0, np.nan, -4.0, 5.0])
    marks = (
        Line("close", x, y),
        Band(x, y - 1, y + 1, 0),
        Line(name, x, y + 1, 0, dots=True),
        Line(name, x, y + 2, 0),
        Line("", x, y, 7),
    )
    prices = Pane(marks, name, "", "USD", dates=True, log=log, moment=x[2])
    shares = np.array([[0.0, 1.0], [0.5, 0.25]])
    cells = Pane((Cells(shares, x[0], x[4], (name, "b")),), dates=True)
    level = Pane((Line("a", np.array([0.8, 0.95]), np.array([0.7, 0.9]), 1),), percent=True,
                 x_label="level", level=1.0)  # fmt: skip
    return Chart(name, f"caption of {name}", (prices, cells, level))


def figures(chart: Chart) -> list:
    from bokeh.plotting import figure

    return [child for child in chart.figure().children if isinstance(child, figure)]


def columns(figure) -> list[dict]:
    from bokeh.models import Line as Glyph

    return [r.data_source.data for r in figure.renderers if isinstance(r.glyph, Glyph)]


def test_a_notebook_gets_a_figure_a_picture_and_a_text() -> None:
    chart = chart_of()
    bundle = chart._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    assert base64.b64decode(bundle["image/png"]).startswith(PNG)
    assert bundle["text/html"].startswith("<iframe ")
    assert bundle["text/plain"] == "Chart('ada', 3 panes: 'caption of ada')"


def test_what_a_front_end_does_not_want_is_not_drawn() -> None:
    chart = chart_of()
    assert set(chart._repr_mimebundle_(include={"text/plain"})) == {"text/plain"}
    assert set(chart._repr_mimebundle_(exclude={"text/html", "image/png"})) == {"text/plain"}


def test_scripts_come_from_the_network_where_bokeh_is_set_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inline = len(chart_of().html())
    monkeypatch.setenv("BOKEH_RESOURCES", "cdn")
    assert len(chart_of().html()) < 100_000 < 1_000_000 < inline


def test_lines_have_the_numbers_that_were_given() -> None:
    prices, _, level = figures(chart_of())
    close, first, *_ = columns(prices)
    np.testing.assert_array_equal(close["y"], [1.0, 2.0, np.nan, -4.0, 5.0])
    assert close["x"][1] - close["x"][0] == 86_400_000
    assert close["x"][0] == 1_704_067_200_000
    np.testing.assert_array_equal(first["y"], [2.0, 3.0, np.nan, -3.0, 6.0])
    np.testing.assert_array_equal(columns(level)[0]["x"], [0.8, 0.95])


def test_lines_of_one_label_share_an_entry_of_the_legend() -> None:
    [legend] = figures(chart_of())[0].legend
    assert [item.label.value for item in legend.items] == ["close", "ada"]
    assert [len(item.renderers) for item in legend.items] == [1, 2]


def test_on_a_logarithmic_axis_there_is_nothing_at_or_below_0() -> None:
    chart = chart_of(log=True)
    close = columns(figures(chart)[0])[0]
    np.testing.assert_array_equal(close["y"], [1.0, 2.0, np.nan, np.nan, 5.0])
    with warnings.catch_warnings(action="error"):
        assert chart.png().startswith(PNG)


def test_a_picture_is_the_same_each_time() -> None:
    assert chart_of().png() == chart_of().png()


@pytest.mark.parametrize("days", [1, 2, 10, 45, 120, 365, 900, 1600, 4000])
def test_dates_of_any_span_have_ticks_without_a_warning(days: int) -> None:
    line = Line("close", dates(days), np.arange(days) + 1.0)
    with warnings.catch_warnings(action="error"):
        Chart("a", "", (Pane((line,), dates=True),)).png()


def test_names_are_text_in_the_page(open_page, tmp_path: Path) -> None:
    file = tmp_path / "chart.html"
    chart_of(HOSTILE).save(file)
    page = open_page(file)
    assert page.locator(".title .bk-clearfix").first.text_content() == HOSTILE


def test_the_frame_of_a_notebook_draws_the_figure(chromium, tmp_path: Path) -> None:
    file = tmp_path / "notebook.html"
    frame = chart_of(HOSTILE)._repr_mimebundle_(include={"text/html"})["text/html"]
    file.write_text(f"<!doctype html><p>cell</p>{frame}", encoding="utf-8")
    page = chromium.new_page()
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(file.as_uri())
    inner = page.frames[1]
    inner.wait_for_function("globalThis.Bokeh?.documents[0]?.is_idle")
    assert inner.locator(".bk-Figure").count() == 3
    assert inner.locator(".title .bk-clearfix").first.text_content() == HOSTILE
    assert dialogs == []
    page.close()


def test_a_chart_is_saved_as_page_or_picture(tmp_path: Path) -> None:
    chart = chart_of()
    chart.save(tmp_path / "a.PNG")
    chart.save(tmp_path / "a.html")
    assert (tmp_path / "a.PNG").read_bytes() == chart.png()
    assert "<title>ada</title>" in (tmp_path / "a.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "why"),
    [("a.svg", r"a\.svg.*must end in \.html or \.png, got '\.svg'"),
     ("none/a.png", "the folder .*none does not exist")],
)  # fmt: skip
def test_a_place_that_can_not_be_is_refused(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(OptionError, match=why):
        chart_of().save(tmp_path / name)


def test_facts_and_tables_are_text_in_the_colours_around() -> None:
    page = facts_html(HOSTILE, {"name": HOSTILE, "left out": None, "n": 3})
    page += table_html(["coin"], [[HOSTILE], ["x" * 1000]], more=1200)
    assert "<script" not in page
    assert "<img" not in page
    assert "left out" not in page
    assert "… and 1,200 more" in page
    assert "x" * 200 not in page
    assert "background: transparent" in page
    assert not any(color in page for color in (": #", "white", "black"))
