"""A file of decision records: written beside a replay's decisions, and one of them found by its id."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from riskweave.engine.record import Record
from riskweave.engine.record_table import record_of
from riskweave.errors import RiskweaveError, StateError
from riskweave.replay.files import Beside


class RecordsFile(Beside):
    """Records as Parquet, a row group per block of decisions."""

    def __init__(self, path: Path | None) -> None:
        super().__init__(path)
        self.writer: Any = None

    def write(self, table: pa.Table) -> None:
        """Take the records of a block."""
        if self.part is None:
            return
        if self.writer is None:
            self.writer = pq.ParquetWriter(
                self.part, table.schema, compression="zstd", write_statistics=["event_id", "time"]
            )
        self.writer.write_table(table)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None
        elif self.part is not None:
            pq.write_table(pa.table({"event_id": pa.array([], pa.string())}), self.part)

    def abandon(self) -> None:
        if self.writer is not None:
            with suppress(OSError, pa.ArrowException):
                self.writer.close()


def find_record(path: Path, event_id: str) -> Record:
    """Return the record of an event in a file of records; raises RiskweaveError when it has none."""
    if not path.is_file():
        raise RiskweaveError(f"there is no file `{path}`")
    try:
        file = pq.ParquetFile(path)
        if "event_id" not in file.schema_arrow.names:
            raise StateError(f"`{path}` is no file of decision records")
        for group in range(file.metadata.num_row_groups):
            ids = file.read_row_group(group, columns=["event_id"])["event_id"].to_pylist()
            if event_id in ids:
                at = ids.index(event_id)
                row = file.read_row_group(group).slice(at, 1).to_pylist()[0]
                return record_of(row, file.schema_arrow.metadata)
    except (pa.ArrowException, OSError) as error:
        raise StateError(f"`{path}` cannot be read: {error}") from None
    raise RiskweaveError(f"`{path}` has no record of event `{event_id}`")
