"""Files and tables as chunks of records, in bounded memory, each record with its place.

JSON (one object or an array), JSON Lines, CSV, Parquet, Arrow IPC and Feather, `.gz` of the first
three, Arrow tables and lists of mappings. What cannot be read as a record (bad JSON, bad UTF-8, a
row with too few columns) becomes a `Rejected`, and reading goes on; a file that breaks off gives
what came before, and one `Rejected` for the rest.

Places: `file:17` is line 17 of JSON Lines and record 17 of a CSV, its header being 1 (the line, as
long as no value holds a line break); `file:row 17` is the 17th row or element of the others.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
from numpy.typing import NDArray

from riskweave.errors import EventError, LimitError
from riskweave.events.plan import DecodePlan, Record
from riskweave.events.record import FIELDS_MAX
from riskweave.events.table import Decoded, Rejected, decode_records, decode_table

ROWS = 65_536
LINES = 8_192
LINE_BYTES_MAX = 4 * 1024 * 1024
CSV_BLOCK_BYTES = 4 * 1024 * 1024
_READ_BYTES = 1024 * 1024

Source = Any  # a path, a pyarrow.Table, or a list of mappings


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some records in a row, as an Arrow table or as mappings, and what was no record at all.

    `numbers[i]` is the line or row of record i in its origin; None counts on from `first`.
    """

    origin: str
    first: int = 1
    table: Any | None = None
    records: Sequence[Record] | None = None
    numbers: NDArray[np.int64] | Sequence[int] | None = None
    by_row: bool = False
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def size(self) -> int:
        if self.table is not None:
            return int(self.table.num_rows)
        return len(self.records or ())

    def place(self, row: int) -> str:
        """Return where record `row` of this chunk stands."""
        number = self.first + row if self.numbers is None else int(self.numbers[row])
        return _place(self.origin, number, self.by_row)


def _place(origin: str, number: int, by_row: bool) -> str:
    if not origin:
        return f"row {number}"
    return f"{origin}:row {number}" if by_row else f"{origin}:{number}"


def decode_chunk(plan: DecodePlan, chunk: Chunk, arrival: int = 0) -> Decoded:
    """Decode a chunk; its undecodable lines come first among the rejected."""
    if chunk.table is not None:
        decoded = decode_table(plan, chunk.table, arrival, chunk.place)
    else:
        decoded = decode_records(plan, chunk.records or (), arrival, chunk.place)
    decoded.rejected[:0] = chunk.rejected
    return decoded


def read_events(sources: Source | Iterable[Source], columns: Iterable[str] | None = None) -> Iterator[Chunk]:
    """Yield the records of files and tables, in the order given.

    With `columns` (such as `plan.sources`) a columnar file is read for these alone.
    """
    wanted = None if columns is None else frozenset(columns)
    for source in _listed(sources):
        if isinstance(source, (str, Path)):
            yield from _read_file(Path(source), wanted)
        elif isinstance(source, (pa.Table, pa.RecordBatch)):
            yield from _read_table(source)
        else:
            yield from _read_mappings(source)


def _listed(sources: Source | Iterable[Source]) -> Iterable[Source]:
    if isinstance(sources, (str, Path, pa.Table, pa.RecordBatch)):
        return [sources]
    listed = list(sources)
    return [listed] if listed and isinstance(listed[0], Mapping) else listed


def _read_table(table: Any) -> Iterator[Chunk]:
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    for first in range(0, table.num_rows, ROWS):
        yield Chunk("", first + 1, table=table.slice(first, ROWS), by_row=True)


def _read_mappings(records: Iterable[object]) -> Iterator[Chunk]:
    good: list[Record] = []
    numbers: list[int] = []
    rejected: list[Rejected] = []
    for number, record in enumerate(records, 1):
        _sort(record, _place("", number, True), number, good, numbers, rejected)
        if len(good) + len(rejected) >= LINES:
            yield Chunk("", numbers=numbers, records=good, by_row=True, rejected=rejected)
            good, numbers, rejected = [], [], []
    if good or rejected:
        yield Chunk("", numbers=numbers, records=good, by_row=True, rejected=rejected)


def _sort(
    record: object, place: str, number: int, good: list[Record], numbers: list[int], rejected: list[Rejected]
) -> None:
    """Put a mapping among the good, anything else among the rejected."""
    if isinstance(record, Mapping):
        good.append(record)
        numbers.append(number)
    else:
        rejected.append(_refused(place, record, "record", record, "an object of field names and values"))


def _refused(place: str, record: object, name: str, found: object, expected: str) -> Rejected:
    return Rejected(place, -1, record, EventError(name, found, expected, place))


# ---- files

_BROKEN = (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeDecodeError, LimitError, csv.Error)


def _read_file(path: Path, columns: frozenset[str] | None) -> Iterator[Chunk]:
    """Read one file by its ending; what breaks it off is set aside in its name."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    kind = (suffixes[-2:-1] if packed else suffixes[-1:]) or [""]
    read = _READERS.get(kind[0])
    if read is None or (packed and read in (_read_parquet, _read_ipc)):
        raise LimitError(
            f"`{path}` is of no known kind: expected .json, .jsonl, .ndjson, .csv, .tsv (each also .gz), "
            ".parquet, .arrow, .ipc or .feather"
        )
    origin = str(path)
    with path.open("rb"):  # a file that is not there is not a bad record
        pass
    try:
        yield from read(path, packed, columns)
    except _BROKEN as error:
        reason = " ".join(str(error).split())
        yield Chunk(origin, rejected=[_refused(origin, None, "file", reason, f"a whole {kind[0][1:]} file")])


def _open(path: Path, packed: bool) -> Any:
    return gzip.open(path, "rb") if packed else path.open("rb")


def _native(path: Path, packed: bool) -> Any:
    file = pa.OSFile(str(path), "rb")
    return pa.CompressedInputStream(file, "gzip") if packed else file


# ---- JSON Lines


def _read_lines(path: Path, packed: bool, _columns: frozenset[str] | None) -> Iterator[Chunk]:
    origin = str(path)
    good: list[Record] = []
    numbers: list[int] = []
    rejected: list[Rejected] = []
    decode = msgspec.json.Decoder().decode
    with _open(path, packed) as file:
        for number, line in enumerate(_lines(file), 1):
            place = _place(origin, number, False)
            if number == 1 and line is not None:
                line = line.removeprefix(codecs.BOM_UTF8)
            if line is None:
                rejected.append(
                    _refused(place, None, "line", "a longer line", f"at most {LINE_BYTES_MAX} bytes")
                )
            elif line.strip():
                try:
                    record = decode(line)
                except (msgspec.DecodeError, ValueError, RecursionError) as error:
                    text = line[:65_536].decode(errors="replace").rstrip("\r\n")
                    rejected.append(_refused(place, text, "line", text, f"one JSON object ({_why(error)})"))
                else:
                    _sort(record, place, number, good, numbers, rejected)
            if len(good) + len(rejected) >= LINES:
                yield Chunk(origin, numbers=numbers, records=good, rejected=rejected)
                good, numbers, rejected = [], [], []
    if good or rejected:
        yield Chunk(origin, numbers=numbers, records=good, rejected=rejected)


def _lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """Yield lines; None stands for one that is too long to be held."""
    while line := file.readline(LINE_BYTES_MAX + 1):
        if len(line) <= LINE_BYTES_MAX or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(_READ_BYTES)
        yield None


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return str(error)


# ---- JSON


class _Elements:
    """Walks through the elements of a JSON array (or the one object) while the file is being read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.text = codecs.getincrementaldecoder("utf-8-sig")()
        self.buffer = ""
        self.at = 0
        self.ended = False
        self.decoder = json.JSONDecoder(parse_constant=_refuse_constant)

    def more(self) -> bool:
        """Read on; return False at the end of the file."""
        if self.ended:
            return False
        data = self.file.read(max(_READ_BYTES, len(self.buffer) - self.at))
        self.ended = not data
        self.buffer = self.buffer[self.at :] + self.text.decode(data, self.ended)
        self.at = 0
        return True

    def peek(self) -> str:
        """Return the next letter that is no blank; empty at the end."""
        while True:
            while self.at < len(self.buffer):
                if self.buffer[self.at] not in " \t\r\n":
                    return self.buffer[self.at]
                self.at += 1
            if not self.more():
                return ""

    def value(self) -> object:
        """Return the value that begins here."""
        while True:
            try:
                value, end = self.decoder.raw_decode(self.buffer, self.at)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or len(self.buffer) - self.at > LINE_BYTES_MAX:
                    raise ValueError("nested too deeply, too long or no JSON") from None
                if not self.more():
                    raise
                continue
            # A number may go on in what is not read yet.
            if end < len(self.buffer) or not self.more():
                self.at = end
                return value


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _read_json(path: Path, packed: bool, _columns: frozenset[str] | None) -> Iterator[Chunk]:
    origin = str(path)
    good: list[Record] = []
    numbers: list[int] = []
    rejected: list[Rejected] = []
    number = 0
    with _open(path, packed) as file:
        elements = _Elements(file)
        is_array = elements.peek() == "["
        elements.at += is_array
        while elements.peek() not in ("", "]") or (number == 0 and not is_array and elements.peek()):
            number += 1
            place = _place(origin, number, True)
            try:
                _sort(elements.value(), place, number, good, numbers, rejected)
                closing = elements.peek()
                if is_array and closing == ",":
                    elements.at += 1
                elif closing != ("]" if is_array else ""):
                    raise ValueError(f"found {closing or 'the end of the file'!r} after it")
            except UnicodeDecodeError:
                raise
            except ValueError as error:
                # Where the next element begins nobody can tell.
                text = elements.buffer[elements.at : elements.at + 200]
                expected = f"JSON: {error}; the rest of the file is not read"
                rejected.append(_refused(place, text, "record", text, expected))
                break
            if len(good) + len(rejected) >= LINES:
                yield Chunk(origin, numbers=numbers, records=good, by_row=True, rejected=rejected)
                good, numbers, rejected = [], [], []
    if good or rejected:
        yield Chunk(origin, numbers=numbers, records=good, by_row=True, rejected=rejected)


# ---- CSV


# The last readers of CSV that were opened, whether they were read to their end or not.
_KEPT_ALIVE: deque[Any] = deque(maxlen=4)


def _read_csv(path: Path, packed: bool, columns: frozenset[str] | None) -> Iterator[Chunk]:
    """Read text columns: what they mean is the policy's business, so `007` stays an id. Empty is null."""
    origin = str(path)
    with _open(path, packed) as file:
        first_line = file.readline(LINE_BYTES_MAX)
    header = first_line.decode("utf-8-sig").rstrip("\r\n")
    if not header:
        return
    # Arrow reads ahead in a thread of its own: what that touches must not need the interpreter, which may
    # have ended by then (the process would be aborted).
    with _native(path, packed) as file:
        file.read(len(first_line))
        delimiter = max(",;\t|", key=header.count)
        names = next(csv.reader([header], delimiter=delimiter))
        if len(names) > FIELDS_MAX:
            raise LimitError(f"the header has {len(names)} columns, at most {FIELDS_MAX} are read")
        wanted = names if columns is None else [name for name in names if name in columns] or names[:1]
        twice = next((name for name in wanted if names.count(name) > 1), None)
        if twice is not None:
            raise LimitError(f"the header names `{twice}` more than once")
        bad: list[tuple[int, str]] = []
        reader = _open_csv(file, names, wanted, delimiter, bad)
        # That thread must not be the last to hold the reader: it would have to free `set_aside`.
        _KEPT_ALIVE.append(reader)
        first = 2
        for batch in reader if reader is not None else ():
            numbers, first, skipped = _numbers(batch.num_rows, first, bad)
            yield _csv_chunk(origin, batch, numbers, _short_rows(origin, skipped, len(names)))
        if bad:
            yield Chunk(origin, rejected=_short_rows(origin, bad, len(names)))


def _short_rows(origin: str, bad: list[tuple[int, str]], columns: int) -> list[Rejected]:
    expected = f"{columns} columns as in the header"
    return [
        _refused(_place(origin, number, False), text, "record", text, expected)
        for number, text in bad
        if text
    ]


def _open_csv(
    file: IO[bytes], names: list[str], wanted: list[str], delimiter: str, bad: list[tuple[int, str]]
) -> Any | None:
    def set_aside(row: Any) -> str:
        bad.append((row.number + 1, row.text[:65_536]))  # pyarrow has not seen the header
        return "skip"

    try:
        return pyarrow.csv.open_csv(
            file,
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, column_names=names, block_size=CSV_BLOCK_BYTES
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=set_aside,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(names, pa.binary()),
                null_values=[""],
                strings_can_be_null=True,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            return None
        raise


def _numbers(
    size: int, first: int, bad: list[tuple[int, str]]
) -> tuple[NDArray[np.int64], int, list[tuple[int, str]]]:
    """Return the record numbers of a block's rows, the number after them, and the bad rows among them."""
    stop = first + size
    skipped = []
    while bad and bad[0][0] <= stop:
        skipped.append(bad.pop(0))
        stop += 1
    every = np.arange(first, stop, dtype=np.int64)
    numbers = np.setdiff1d(every, [number for number, _ in skipped]) if skipped else every
    return numbers, stop, skipped


def _csv_chunk(origin: str, batch: Any, numbers: NDArray[np.int64], rejected: list[Rejected]) -> Chunk:
    # The bytes are looked at as text without a copy; decoding checks that they are UTF-8.
    table = pa.table({name: batch.column(name).view(pa.string()) for name in batch.schema.names})
    blank = np.ones(table.num_rows, np.bool_)
    for column in table.columns:
        if not column.null_count:
            blank[:] = False
            break
        blank &= column.is_null().to_numpy()
    if blank.any():
        table, numbers = table.filter(pa.array(~blank)), numbers[~blank]
    return Chunk(origin, table=table, numbers=numbers, rejected=rejected)


# ---- Parquet and Arrow


def _read_parquet(path: Path, _packed: bool, columns: frozenset[str] | None) -> Iterator[Chunk]:
    with pyarrow.parquet.ParquetFile(path) as plain:
        repeating = _repeating(plain)
    with pyarrow.parquet.ParquetFile(path, read_dictionary=repeating) as file:
        names = file.schema_arrow.names
        wanted = None if columns is None else [name for name in names if name in columns] or names[:1]
        first = 1
        for batch in file.iter_batches(ROWS, columns=wanted):
            yield Chunk(str(path), first, table=pa.Table.from_batches([batch]), by_row=True)
            first += batch.num_rows


def _repeating(file: Any) -> list[str]:
    """Return the text columns stored so small that they must repeat: these are read as dictionaries."""
    metadata = file.metadata
    if not metadata.num_row_groups:
        return []
    group = metadata.row_group(0)
    sizes = {
        group.column(i).path_in_schema: group.column(i).total_uncompressed_size
        for i in range(group.num_columns)
        if group.column(i).has_dictionary_page
    }
    return [
        each.name
        for each in file.schema_arrow
        if pa.types.is_string(each.type) and sizes.get(each.name, 1 << 62) <= 4 * group.num_rows
    ]


def _read_ipc(path: Path, _packed: bool, columns: frozenset[str] | None) -> Iterator[Chunk]:
    with pa.memory_map(str(path)) as file:
        first = 1
        for batch in _ipc_batches(file):
            table = pa.Table.from_batches([batch])
            if columns is not None:
                wanted = [name for name in table.column_names if name in columns]
                table = table.select(wanted or table.column_names[:1])
            for at in range(0, table.num_rows, ROWS):
                yield Chunk(str(path), first + at, table=table.slice(at, ROWS), by_row=True)
            first += table.num_rows


def _ipc_batches(file: Any) -> Iterator[Any]:
    """Yield the batches of an Arrow file or, if it is one, of an Arrow stream."""
    if file.read(6) == b"ARROW1":
        reader = pyarrow.ipc.open_file(file)
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)
    else:
        file.seek(0)
        yield from pyarrow.ipc.open_stream(file)


_READERS: dict[str, Callable[[Path, bool, frozenset[str] | None], Iterator[Chunk]]] = {
    ".json": _read_json,
    ".jsonl": _read_lines,
    ".ndjson": _read_lines,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".arrow": _read_ipc,
    ".ipc": _read_ipc,
    ".feather": _read_ipc,
}


# ---- what was set aside


_encode = msgspec.json.Encoder(enc_hook=str).encode


def write_rejected(path: Path | str, rejected: Iterable[Rejected]) -> int:
    """Write rejected records as JSON Lines; return how many."""
    count = 0
    with Path(path).open("wb") as file:
        for each in rejected:
            file.write(rejected_line(each))
            count += 1
    return count


def rejected_line(rejected: Rejected) -> bytes:
    """Return a line of JSON: place, field, found, expected, record."""
    line = {
        "place": rejected.place,
        "field": rejected.error.field,
        "found": rejected.error.found,
        "expected": rejected.error.expected,
        "record": _writable(rejected.record),
    }
    return _encode(line) + b"\n"


def _writable(value: object) -> object:
    """Return a record that JSON can hold: bytes and odd numbers become their text."""
    if isinstance(value, Mapping):
        return {str(name): _writable(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_writable(each) for each in value]
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        return hex(value) if value.bit_length() > 4096 else str(value)
    return value
