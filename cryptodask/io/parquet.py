from contextlib import contextmanager
from cryptodask.io.paths import read_table, draft_of
from cryptodask.io import paths
from cryptodask.io.files import record_of
import pyarrow as pa, pyarrow.parquet as pq, pandas as pd
class W:
    record=None
    def __init__(s,w): s.w=w
    def __call__(s,f):
        if isinstance(f,pd.DataFrame): f=pa.Table.from_pandas(f,s.w.schema,preserve_index=False)
        if len(f): s.w.write_table(f)
@contextmanager
def write_frames(path, schema):
    with draft_of(path) as d:
        w=W(pq.ParquetWriter(d,schema)); 
        yield w
        w.w.close()
    w.record=record_of(path)
def write_frame(frame,path):
    schema = pa.Schema.from_pandas(frame.iloc[:0], preserve_index=False)
    with write_frames(path,schema) as w: w(frame)
    return w.record
def read_frame(path, record=None): return read_table(path)
@contextmanager
def open_parquet(path, record=None):
    with paths.open_parquet(path) as f: yield f
