"""Pictures of results: described once, drawn by Bokeh where one can zoom, and by matplotlib as PNG.

What is drawn is data (`Line`, `Band`, `Cells` on a `Pane`); a `Chart` of panes shows itself in a
notebook. It knows nothing of coins, models or tables; what does, makes charts.
"""

from cryptodask.charts.chart import Chart
from cryptodask.charts.html import facts_html, table_html
from cryptodask.charts.marks import Band, Cells, Line, Pane

__all__ = [
    "Band",
    "Cells",
    "Chart",
    "Line",
    "Pane",
    "facts_html",
    "table_html",
]
