"""Where commands write: results as UTF-8 in any locale, and messages on standard error."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import BinaryIO, TextIO

from structsvm.data.files import check_output, replacing

__all__ = ["Results", "hang_up", "tell", "writing"]


class Results:
    """Takes text and writes UTF-8."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        self._file.write(text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        self._file.flush()


@contextlib.contextmanager
def writing(path: str | None, *inputs: str | None) -> Iterator[Results]:
    """Write results to standard output, or to a file that appears when it is complete.

    Raises
    ------
    ValueError
        If the output is one of `inputs`, the files that are read.
    """
    if path is not None:
        check_output(path, *inputs)
        with replacing(path) as file:
            yield Results(file)
        return
    if sys.stdout is None:
        raise OSError(errno.EBADF, "is closed", "standard output")
    with contextlib.suppress(io.UnsupportedOperation):  # where it is no file
        for name in inputs:
            if name is not None and _same_file(sys.stdout.fileno(), name):
                raise ValueError(f"standard output is {name}, which is read: give another name")
    results = Results(sys.stdout.buffer)
    yield results
    results.flush()


def _same_file(descriptor: int, name: str) -> bool:
    status = os.fstat(descriptor)
    with contextlib.suppress(FileNotFoundError):
        return os.path.isfile(name) and os.path.samestat(status, os.stat(name))
    return False


def tell(text: str) -> None:
    """A line on standard error, if anybody reads it."""
    if sys.stderr is not None:
        with contextlib.suppress(BrokenPipeError):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def hang_up(stream: TextIO | None) -> None:
    """Drop what a stream cannot write, so that Python does not complain of it at exit."""
    try:
        if stream is not None:
            stream.flush()
    except OSError:
        assert stream is not None
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
