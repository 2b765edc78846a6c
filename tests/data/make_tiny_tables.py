"""Writes tiny.parquet and tiny.arrows, which scripts/fuzz-api uploads whole and damaged.

Made with PyArrow 21.0.0:

    python tests/data/make_tiny_tables.py
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

here = Path(__file__).parent
table = pa.table(
    {
        "area": pa.array([0.5, None, 2.0, 3.5, 4.0, 0.25]),
        "shape": pa.array(["round", "oval", "round", None, "oval", "round"]).dictionary_encode(),
        "y": pa.array([0, 1, 0, 0, 1, 0], pa.int8()),
    }
)
pyarrow.parquet.write_table(table, here / "tiny.parquet", compression={"area": "zstd", "shape": "snappy", "y": "gzip"})
with pyarrow.ipc.new_stream(here / "tiny.arrows", table.schema) as stream:
    stream.write_table(table)
