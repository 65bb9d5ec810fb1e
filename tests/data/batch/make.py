"""Writes prompts.parquet: what pandas and pyarrow make of a data set. Run it here with pandas and pyarrow."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

frame = pd.DataFrame({
    "id": [7, 8, 9, 10],
    "prompt": [" Tiger Woods plays the sport of", None, "naïve ☃", None],
    "ids": [None, [0, 417, 99], None, None],
    "pos_token": [" golf", None, None, None],
    "neg_token": [" tennis", None, None, None],
    "source": ["a", "b", "c", "d"],
})
schema = pa.schema([
    ("id", pa.int64()),
    ("prompt", pa.string()),
    ("ids", pa.list_(pa.int64())),
    ("pos_token", pa.string()),
    ("neg_token", pa.string()),
    ("source", pa.string()),
])
table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
pq.write_table(table, "prompts.parquet", compression="zstd", row_group_size=3)
