"""Prompts as Parquet in every encoding and compression that pyarrow writes, as other programs write them, and what is in them: run it with the directory."""
import json, sys, pathlib
import duckdb, fastparquet, polars
import pyarrow as pa, pyarrow.parquet as pq
out = pathlib.Path(sys.argv[1]); out.mkdir(parents=True, exist_ok=True)
n = 24
prompts = [None if i % 11 == 10 else f" the {i} naïve ☃ golf {'x' * (i % 5)}" for i in range(n)]
same = [p if p is None else " golf" for p in prompts]
ids = [i * 3 - 7 if i % 7 else None for i in range(n)]
ids = [None if i is None else abs(i) for i in ids]
lists = [None if i % 9 == 8 else [] if i % 9 == 7 else [int(j * i) for j in range(1, i % 4 + 2)] for i in range(n)]
pos = [None if i % 3 == 0 else [" golf", " tennis"][: i % 3] for i in range(n)]
def table(prompt, i64=pa.int64()):
    return pa.table({
        "prompt": pa.array(prompt, pa.string()),
        "id": pa.array(ids, i64),
        "pos_token": pa.array(pos, pa.list_(pa.string())),
        "note": pa.array([float(i) / 3 for i in range(n)], pa.float64()),
        "flag": pa.array([i % 3 == 0 for i in range(n)], pa.bool_()),
    })
tokens = pa.table({"ids": pa.array(lists, pa.list_(pa.int64())), "id": pa.array([f"row {i}" for i in range(n)], pa.string()), "neg_id": pa.array(ids, pa.int32())})
cases = {}
def write(name, t, **options):
    pq.write_table(t, out / f"{name}.parquet", **options)
    cases[name] = t.to_pylist()
for codec in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]:
    write(f"{codec}", table(prompts), compression=codec, row_group_size=16, data_page_version="1.0" if codec in ("none", "gzip", "zstd") else "2.0")
write("dictionary", table(same), compression="snappy", use_dictionary=True, data_page_version="2.0")
write("small-pages", table(prompts), compression="none", use_dictionary=False, data_page_size=64, write_batch_size=4, data_page_version="1.0")
write("tokens", tokens, compression="none", use_dictionary=False, row_group_size=16)
write("tokens-v2", tokens, compression="snappy", use_dictionary=["id"], data_page_version="2.0", data_page_size=64, write_batch_size=4)
write("delta", table(prompts), compression="none", use_dictionary=False, data_page_version="2.0", column_encoding={
    "prompt": "DELTA_BYTE_ARRAY", "id": "DELTA_BINARY_PACKED", "pos_token.list.element": "DELTA_LENGTH_BYTE_ARRAY", "note": "BYTE_STREAM_SPLIT", "flag": "RLE"})
write("delta-tokens", tokens, compression="zstd", use_dictionary=False, data_page_version="1.0", column_encoding={
    "ids.list.element": "DELTA_BINARY_PACKED", "id": "DELTA_LENGTH_BYTE_ARRAY", "neg_id": "DELTA_BINARY_PACKED"})
# Other writers fill runs up, place dictionaries and levels in their own ways.
few = table(prompts).select(["prompt", "id", "note"])
polars.from_arrow(few).write_parquet(out / "polars.parquet", data_page_size=100)
duckdb.sql(f"COPY few TO '{out}/duckdb.parquet' (FORMAT parquet)")
duckdb.sql(f"COPY tokens TO '{out}/duckdb-tokens.parquet' (FORMAT parquet, PARQUET_VERSION V2)")
fastparquet.write(str(out / "fastparquet.parquet"), few.to_pandas().astype({"id": "Int64"}), compression="SNAPPY")
cases |= {name: few.to_pylist() for name in ["polars", "duckdb", "fastparquet"]} | {"duckdb-tokens": tokens.to_pylist()}
(out / "cases.json").write_text(json.dumps(cases, ensure_ascii=False) + "\n")
# A few hundred bytes that stand for a gigabyte of text.
bomb = pa.table({"prompt": pa.array(["x" * 2**20] * 1024, pa.string())})
pq.write_table(bomb, out.parent / "damaged" / "bomb.parquet", compression="zstd", compression_level=19)
# A quarter of a million rows that take no room.
pq.write_table(pa.table({"prompt": pa.array([None] * 2**18, pa.string())}), out.parent / "damaged" / "nulls.parquet")
