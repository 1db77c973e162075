"""Pictures of forecasts: what to draw (``view``) and the drawing of it (``plot``)."""
