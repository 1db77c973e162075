from cryptodask.models.catalog import CATALOG, _import
from cryptodask.models import base
for place in [*CATALOG.values(), "cryptodask.models.external.sklearn_family:SklearnRegressor", "cryptodask.models.external.stats_family:StatsModel"]:
    c=_import(place)
    if not hasattr(c,'lookback'): c._nolb=True
    def rae(self,h): return base.ends_needed(self,h)
    c.rows_at_ends=rae
    if not hasattr(c,'batches_dates'): c.batches_dates=property(lambda self: base.takes_repeats(self))
    if not hasattr(c,'columns'): c.columns=()
