"""Rows of Parquet, through pyarrow; columns that hold bytes (images, say) are not read."""
import io

from .notes import BadInput, Row


def read(path, data):
    """-> columns, rows, notes"""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise BadInput(f"{path}: is Parquet (this Python has no pyarrow) use .deps/venv/bin/python of tools/setup.sh, "
                       "or pip install pyarrow") from None
    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
    except pyarrow.ArrowException as error:
        raise BadInput(f"{path}: is no sound Parquet ({str(error).splitlines()[0]}) copy it again") from None
    binary = [field.name for field in file.schema_arrow if _holds_bytes(pyarrow.types, field.type)]
    columns = [name for name in file.schema_arrow.names if name not in binary]
    notes = [f'column "{name}" holds bytes: not read' for name in binary]
    return columns, _rows(path, file, columns), notes


def _holds_bytes(types, kind):
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return True
    return types.is_nested(kind) and any(_holds_bytes(types, kind.field(i).type) for i in range(kind.num_fields))


def _rows(path, file, columns):
    """A row's line is its number."""
    number = 0
    for batch in file.iter_batches(columns=columns):
        for cells in batch.to_pylist():
            number += 1
            yield Row(path, number, cells)
