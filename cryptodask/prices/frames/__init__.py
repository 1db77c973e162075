"""Dataframes as sources of prices: pandas, polars, Arrow and Dask."""
