"""Curves of a leaderboard: error by step and by origin, and how well intervals are calibrated."""

from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd

from cryptodask.charts.style import INK, MUTED, TOOLS, add_legend, dress, plain_text, style
from cryptodask.charts.theme import ELEMENT
from cryptodask.dashboard.leaderboard_view import LeaderboardView
from cryptodask.dashboard.price_figure import legend_item
from cryptodask.dashboard.style import WRAP
from cryptodask.evaluate.reliability import ALL_PERIODS, pit_histogram

PERIOD = """
sources.forEach((source, j) => { source.data = data[j][cb_obj.active] })
"""

SIDE = {"flex": "1 1 420px", "min-width": "min(100%, 320px)"}
"""Styles of one of two figures: beside the other, or below it in a narrow window."""

FAR = 1.5
"""A model is hidden at first if its error is more than ``FAR`` times naive's."""

MARKERS = {"80": "circle", "95": "triangle"}


def errors(view: LeaderboardView) -> list[Any]:
    """Return two figures, error over naive's by step and by origin, and a hint.

    Parameters
    ----------
    view : LeaderboardView

    Returns
    -------
    list of bokeh models
    """
    by_step = _figure("by_step", view.models)
    by_step.xaxis.axis_label = "bars ahead"
    by_step.xaxis.ticker.min_interval = 1
    _draw_lines(by_step, view, view.steps, "step", "relative_mae")
    by_origin = _figure("by_origin", view.models, "datetime")
    _draw_lines(by_origin, view, view.origins, "cutoff", "relative_error")
    for plot in (by_step, by_origin):
        _add_level(plot, 1.0)
    titled = {"Relative MAE by step": by_step, "Error over naive's by origin": by_origin}
    hint = "Click a model's name to hide or show it."
    if set(view.models) - _near(view):
        hint += f" Models with more than {FAR:g} times naive's error are hidden at first."
    return [_beside(titled), plain_text("hint", hint, "12px", MUTED)]


def calibration(view: LeaderboardView) -> list[Any]:
    """Return a choice of periods and three figures, or a note where there are no intervals.

    Parameters
    ----------
    view : LeaderboardView

    Returns
    -------
    list of bokeh models
    """
    from bokeh.models import CustomJS, RadioButtonGroup

    if view.reliability.empty:
        text = "This backtest has no intervals, so there is nothing to draw."
        return [plain_text("no_intervals", text, "14px", MUTED)]
    models = [m for m in view.models if (view.reliability["model"] == m).any()]
    periods = [ALL_PERIODS, *range(len(view.periods))] if len(view.periods) > 1 else [ALL_PERIODS]
    plot, sources, data = _quantiles(view, models, periods)
    histogram, sources_of_it, data_of_it = _pit(view, models, periods)
    sources, data = [*sources, *sources_of_it], [*data, *data_of_it]
    labels = ["All origins", *(f"Origins {period}" for period in view.periods)]
    chosen = RadioButtonGroup(name="period", labels=labels[: len(periods)], active=0)
    chosen.stylesheets = [ELEMENT, ":host { max-width: 100%; } .bk-btn-group { flex-wrap: wrap; }"]
    chosen.js_on_change("active", CustomJS(args={"sources": sources, "data": data}, code=PERIOD))
    both = _beside(
        {
            "Share of actuals below a quantile": plot,
            "Coverage of the 80% (●) and 95% (▲) intervals": _over_time(view, models, periods),
        }
    )
    title = "Actuals by the probability forecast of prices up to them (PIT); calibrated is 1"
    drawn = [both, _beside({title: histogram})]
    return [chosen, *drawn] if len(periods) > 1 else drawn


def _quantiles(
    view: LeaderboardView, models: Sequence[str], periods: Sequence[int]
) -> tuple[Any, list[Any], list[list[dict[str, Any]]]]:
    """Draw nominal against observed shares below a quantile; return sources, and what goes in."""
    from bokeh.models import ColumnDataSource, Range1d, Slope

    plot = _figure("quantiles", view.models)
    plot.add_layout(Slope(gradient=1, y_intercept=0, line_color=MUTED, line_dash="dotted"))
    plot.xaxis.axis_label, plot.yaxis.axis_label = "nominal", "observed"
    rows = view.reliability[view.reliability["kind"] == "quantile"]
    data = [
        [_points(rows, model, "nominal", "observed", period) for period in periods]
        for model in models
    ]
    sources = [ColumnDataSource(periods_of_model[0]) for periods_of_model in data]
    _draw(plot, view.models, dict(zip(models, sources, strict=True)))
    tooltips = [("nominal", "@x{0.0%}"), ("observed", "@y{0.0%}"), ("coins", "@coins{0,0}")]
    _add_hover(plot, tooltips)
    _in_percent(plot.xaxis, plot.yaxis)
    plot.x_range, plot.y_range = Range1d(-0.03, 1.03), Range1d(-0.03, 1.03)
    return plot, sources, data


def _pit(
    view: LeaderboardView, models: Sequence[str], periods: Sequence[int]
) -> tuple[Any, list[Any], list[list[dict[str, Any]]]]:
    """Draw how dense actuals are between quantiles; return sources, and what goes in."""
    from bokeh.models import ColumnDataSource, HoverTool, Range1d

    plot = _figure("pit", view.models)
    plot.xaxis.axis_label, plot.yaxis.axis_label = "probability", "density"
    bins = pit_histogram(view.reliability)
    data = [[_edges(bins, model, period) for period in periods] for model in models]
    sources = [ColumnDataSource(periods_of_model[0]) for periods_of_model in data]
    items = {}
    for model, source in zip(models, sources, strict=True):
        color, dash = style(view.models.index(model))
        pen = {"source": source, "line_color": color, "line_dash": dash, "line_width": 2}
        items[model] = [plot.line("x", "y", **pen)]
    _finish(plot, items)
    _add_level(plot, 1.0)
    tooltips = [("model", "@model"), ("from", "@lower{0.0%}"), ("to", "@upper{0.0%}")]
    tooltips += [("actuals", "@share{0.0%}"), ("density", "@y{0.00}")]
    plot.add_tools(HoverTool(visible=False, tooltips=tooltips))
    _in_percent(plot.xaxis)
    plot.x_range, plot.y_range.start = Range1d(-0.03, 1.03), 0
    return plot, sources, data


def _edges(bins: pd.DataFrame, model: str, period: int) -> dict[str, Any]:
    """Return the outline of a histogram: two points a bin."""
    rows = bins[(bins["model"] == model) & (bins["period"] == period)]
    twice = {name: rows[name].repeat(2).to_numpy() for name in ("lower", "upper", "share")}
    x = rows[["lower", "upper"]].to_numpy(float).ravel()
    y = rows["density"].repeat(2).to_numpy(float)
    return {"x": x, "y": y, "model": [model] * len(x), **twice}


def _over_time(view: LeaderboardView, models: Sequence[str], periods: Sequence[int]) -> Any:
    """Draw the coverage of the intervals in each period, models side by side."""
    from bokeh.models import ColumnDataSource, Range1d

    plot = _figure("coverage", view.models)
    rows = view.reliability[view.reliability["kind"] == "interval"]
    items: dict[str, list[Any]] = {}
    for j, model in enumerate(models):
        shift = (j - (len(models) - 1) / 2) * min(0.12, 0.7 / len(models))
        for level, marker in MARKERS.items():
            nominal = rows[rows["nominal"] == int(level) / 100]
            points = _points(nominal, model, "period", "observed")
            points["x"] = points["x"] + shift
            color = style(view.models.index(model))[0]
            drawn = plot.scatter(
                "x", "y", source=ColumnDataSource(points), marker=marker, size=9, color=color
            )
            items.setdefault(model, []).append(drawn)
    _finish(plot, items)
    _add_hover(plot, [("observed", "@y{0.0%}"), ("coins", "@coins{0,0}")])
    for level in MARKERS:
        _add_level(plot, int(level) / 100)
    plot.xaxis.ticker = list(periods)
    texts = ["all origins", *(period.replace(" to ", "\nto ") for period in view.periods)]
    plot.xaxis.major_label_overrides = dict(zip(periods, texts, strict=False))
    plot.x_range.start, plot.x_range.end = ALL_PERIODS - 0.5, ALL_PERIODS + len(periods) - 0.5
    plot.y_range = Range1d(-0.03, 1.03)
    _in_percent(plot.yaxis)
    return plot


def _points(
    rows: pd.DataFrame, model: str, x: str, y: str, period: int | None = None
) -> dict[str, Any]:
    """Return the points of a model, perhaps of one period only."""
    drawn = rows[rows["model"] == model]
    if period is not None:
        drawn = drawn[drawn["period"] == period]
    points = {"x": drawn[x].to_numpy(), "y": drawn[y].to_numpy(), "model": [model] * len(drawn)}
    return points | ({"coins": drawn["coins"].to_numpy()} if "coins" in drawn else {})


def _figure(name: str, models: Sequence[str], x_axis_type: str = "auto") -> Any:
    from bokeh.models import DataRange1d
    from bokeh.plotting import figure

    return figure(
        name=name,
        x_axis_type=x_axis_type,
        y_range=DataRange1d(only_visible=True),
        height=320 + 20 * (len(models) // 4),
        sizing_mode="stretch_width",
        tools=TOOLS,
        active_drag="box_zoom",
    )


def _near(view: LeaderboardView) -> set[str]:
    """Return the models that can be drawn together: one with a large error would flatten them."""
    near = view.table.loc[~(view.table["relative_mae"] > FAR), "model"]
    only_naive = not set(near) - {"naive"}
    return set(view.models) if only_naive else set(near)


def _draw_lines(plot: Any, view: LeaderboardView, rows: pd.DataFrame, x: str, y: str) -> None:
    from bokeh.models import ColumnDataSource

    known = rows[rows[y].notna()]
    models = [model for model in view.models if (known["model"] == model).any()]
    sources = {model: ColumnDataSource(_points(known, model, x, y)) for model in models}
    _draw(plot, view.models, sources, _near(view))
    label, shown = ("step", "@x") if x == "step" else ("origin", "@x{%F}")
    _add_hover(plot, [(label, shown), ("error over naive's", "@y{0.000}")])


def _draw(
    plot: Any, models: Sequence[str], sources: dict[str, Any], shown: Collection[str] | None = None
) -> None:
    """Draw a line with dots for each model that has any; the others are hidden at first."""
    items = {}
    for j, model in enumerate(models):
        if model not in sources:
            continue
        color, dash = style(j)
        pen = {"x": "x", "y": "y", "source": sources[model], "color": color}
        pen["visible"] = shown is None or model in shown
        items[model] = [plot.line(line_width=2, line_dash=dash, **pen), plot.scatter(size=5, **pen)]
    _finish(plot, items)


def _finish(plot: Any, items: dict[str, list[Any]]) -> None:
    """Add a legend, and set fonts and lines."""
    add_legend(plot, [legend_item(model, *drawn) for model, drawn in items.items()], width=400)
    dress(plot)


def _add_hover(plot: Any, tooltips: list[tuple[str, str]]) -> None:
    from bokeh.models import GlyphRenderer, HoverTool, Scatter

    dots = [
        r for r in plot.renderers if isinstance(r, GlyphRenderer) and isinstance(r.glyph, Scatter)
    ]
    hover = HoverTool(renderers=dots, visible=False, tooltips=[("model", "@model"), *tooltips])
    hover.formatters = {"@x": "datetime"} if any("%F" in text for _, text in tooltips) else {}
    plot.add_tools(hover)


def _add_level(plot: Any, value: float) -> None:
    from bokeh.models import Span

    plot.add_layout(Span(location=value, dimension="width", line_color=MUTED, line_dash="dotted"))


def _in_percent(*axes: Any) -> None:
    from bokeh.models import NumeralTickFormatter

    for axis in axes:
        axis.formatter = NumeralTickFormatter(format="0%")


def _beside(figures: dict[str, Any]) -> Any:
    """Return figures beside each other, each below its title."""
    from bokeh.layouts import column, row

    titled = [
        column(
            plain_text("figure_title", title, "14px", INK), plot, sizing_mode="stretch_width",
            styles=SIDE,
        )
        for title, plot in figures.items()
    ]  # fmt: skip
    return row(*titled, sizing_mode="stretch_width", styles=WRAP)
