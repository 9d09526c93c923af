"""Tables that stand beside a policy: a CSV or Parquet file as columns of text that know their lines.

Lists, entity attributes and currency rates are read through `read_table`. Every cell is text, ""
where it is missing, so that one parser per type serves both formats; `TextTable.error(row, ...)`
names the file and the line.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from riskweave.errors import PolicyError, Span, did_you_mean, shorten

FILE_BYTES_MAX = 2 * 1024**3
ROWS_MAX = 20_000_000
COLUMNS_MAX = 512

_BLOCK_ROWS = 500

_FORMATS = (".csv", ".parquet")


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table's columns by name, each a sequence of text; `lines[row]` is where a row stands in the file."""

    name: str
    columns: dict[str, Sequence[str]]
    rows: int
    lines: Sequence[int]
    header: Span

    def need(self, column: str) -> Sequence[str]:
        """Return a column, or raise with the nearest name."""
        found = self.columns.get(column)
        if found is None:
            known = ", ".join(self.columns)
            raise PolicyError(
                f"`{self.name}` has no column `{column}`",
                self.header,
                did_you_mean(column, self.columns) or f"its columns: {known}",
            )
        return found

    def error(self, row: int, column: str, expected: str, hint: str = "") -> PolicyError:
        """Return (not raise) an error about one cell."""
        found = shorten(self.columns[column][row])
        return PolicyError(f"column `{column}`: found {found}, expected {expected}", self.span(row), hint)

    def span(self, row: int) -> Span:
        """Return where a row stands, with its text as far as one line shows it."""
        text = ",".join(column[row] for column in self.columns.values())
        return Span(self.name, self.lines[row], 1, max(min(len(text), 100), 1), text[:100])


def beside(folder: Path | None, file: str, span: Span | None) -> Path:
    """Return the path of a file beside the policy; raise when it is absent or outside the folder."""
    if folder is None:
        raise PolicyError(
            f"`{file}` cannot be found: this policy was made in Python and has no folder",
            span,
            "give `folder=`, or write the values out",
        )
    root = folder.resolve()
    try:
        path = (root / file).resolve()
        is_file = path.is_file()
    except (OSError, ValueError):
        raise PolicyError(f"`{file[:60]}` cannot be the name of a file", span) from None
    if not path.is_relative_to(root):
        raise PolicyError(
            f"`{file}` lies outside the policy's folder", span, "put the file beside the policy"
        )
    if not is_file:
        there = sorted(each.name for each in root.iterdir() if each.suffix in _FORMATS and each.is_file())
        raise PolicyError(f"there is no file `{file}` beside the policy", span, did_you_mean(file, there))
    return path


def read_table(path: Path, name: str | None = None) -> TextTable:
    """Read a CSV file (with a header line) or a Parquet file; `name` is how errors call it."""
    label = name or path.name
    try:
        return _read(path, label)
    except OSError as error:
        raise PolicyError(f"the file cannot be read ({error.strerror})", Span(label)) from None


def _read(path: Path, label: str) -> TextTable:
    size = path.stat().st_size
    if size > FILE_BYTES_MAX:
        raise PolicyError(f"the file has {size} bytes", Span(label), f"at most {FILE_BYTES_MAX} are read")
    if path.suffix == ".parquet":
        return _read_parquet(path, label)
    if path.suffix == ".csv":
        return _read_csv(path, label)
    raise PolicyError(
        f"`{label}` is neither .csv nor .parquet", Span(label), "give the file one of these endings"
    )


def _read_csv(path: Path, label: str) -> TextTable:
    """Read CSV: comma, double quotes, UTF-8 (a byte order mark is skipped); blank lines do not count."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            names = [each.strip() for each in next(reader, [])]
            header = Span(label, 1, 1, max(len(",".join(names)), 1), ",".join(names))
            _check_header(names, header)
            columns, lines = _csv_columns(reader, names, label)
        except UnicodeDecodeError as error:
            raise PolicyError(f"the file is not UTF-8 text ({error.reason})", Span(label)) from None
        except csv.Error as error:
            raise PolicyError(f"not CSV: {error}", Span(label, reader.line_num, 1)) from None
    return TextTable(label, dict(zip(names, columns, strict=True)), len(lines), lines, header)


def _csv_columns(reader: Any, names: list[str], label: str) -> tuple[list[list[str]], Sequence[int]]:
    """Return the columns below the header and the line each row begins at.

    Rows are turned into columns a small block at a time: a million row lists would keep the garbage
    collector busy for longer than reading takes.
    """
    width = len(names)
    columns: list[list[str]] = [[] for _ in names]
    lines: list[int] | None = None
    line = 2
    while block := list(islice(reader, _BLOCK_ROWS)):
        if len(columns[0]) + len(block) > ROWS_MAX:
            raise PolicyError(f"the file has more than {ROWS_MAX} rows", Span(label))
        plain = reader.line_num == line + len(block) - 1 and all(map(width.__eq__, map(len, block)))
        if not plain and lines is None:
            lines = list(range(2, len(columns[0]) + 2))
        if lines is not None:
            block, places = _unusual_rows(block, line, width, label)
            lines += places
        line = reader.line_num + 1
        for column, cells in zip(columns, zip(*block, strict=True), strict=False):
            column += cells
    return columns, range(2, len(columns[0]) + 2) if lines is None else lines


def _unusual_rows(
    rows: list[list[str]], line: int, width: int, label: str
) -> tuple[list[list[str]], list[int]]:
    """Return rows without the blank lines, and their lines; line breaks in quotes are counted."""
    kept, lines = [], []
    for row in rows:
        if row:
            if len(row) != width:
                text = ",".join(row)[:100]
                raise PolicyError(
                    f"the row has {len(row)} values, the header {width} names",
                    Span(label, line, 1, max(len(text), 1), text),
                    "quote a value that contains a comma",
                )
            kept.append(row)
            lines.append(line)
        line += 1 + sum(cell.count("\n") for cell in row)
    return kept, lines


def _read_parquet(path: Path, label: str) -> TextTable:
    """Read Parquet; a row's line is its number, the first being 1."""
    import pyarrow.parquet as parquet
    from pyarrow import ArrowException

    try:
        file = parquet.ParquetFile(path)
        if file.metadata.num_rows > ROWS_MAX:
            raise PolicyError(f"the file has more than {ROWS_MAX} rows", Span(label))
        table = file.read()
    except (ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise PolicyError(f"the file is not Parquet ({reason})", Span(label)) from None
    names = list(table.column_names)
    header = Span(label, 0, 1, 1, "")
    _check_header(names, header)
    columns: dict[str, Sequence[str]] = {
        name: [_text(each) for each in table.column(name).to_pylist()] for name in names
    }
    return TextTable(label, columns, table.num_rows, range(1, table.num_rows + 1), header)


def _check_header(names: list[str], header: Span) -> None:
    if not any(names):
        raise PolicyError("the file has no header", header, "the first line names the columns")
    if len(names) > COLUMNS_MAX:
        raise PolicyError(f"the file has {len(names)} columns", header, f"at most {COLUMNS_MAX} are read")
    for index, each in enumerate(names):
        if not each:
            raise PolicyError(f"column {index + 1} has no name", header)
        if each in names[:index]:
            raise PolicyError(f"the column `{each}` is there twice", header)


def _text(value: object) -> str:
    """Return a Parquet value as the text a CSV would hold."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "" if value != value else repr(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)
