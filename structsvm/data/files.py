"""Writing files: each is replaced as a whole or not at all.

A new file is written next to the old one and takes its name in one step. Until then its name is
``NAME.structsvm-TOKEN.part`` and it is locked; an unfinished file without a lock was left by a
killed process. Where there are no locks, on Windows, no file can be removed while it is open.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from types import ModuleType
from typing import BinaryIO, NamedTuple

try:
    import fcntl
except ImportError:
    locks: ModuleType | None = None
else:
    locks = fcntl

__all__ = ["check_output", "is_unfinished", "locks", "replacing"]

# In the name of the unfinished file, of at most 255 bytes, longer names are replaced by a hash.
_LONGEST_NAME = 200


class _Target(NamedTuple):
    """The file that a path points to, and its state if it is there."""

    path: str
    status: os.stat_result | None


class _Stream(io.BufferedWriter):
    """A stream that cannot seek: some devices always report position 0."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise io.UnsupportedOperation("tell")


def check_output(
    path: str | os.PathLike[str], *inputs: str | os.PathLike[str] | None, again: bool = False
) -> None:
    """Raise if a file cannot be written, before there is a result to lose.

    Parameters
    ----------
    path : path-like
    *inputs : path-like or None
        Files that are read; none of them may be the file to write, under any name.
    again : bool, default=False
        Whether the file is written several times and read again: then pipes and devices are
        refused, too.

    Raises
    ------
    OSError
        If it is a folder, its folder does not exist, or writing is not permitted.
    ValueError
        If it is one of `inputs`.
    """
    if _target(path) is None and again:
        raise OSError(errno.EINVAL, "is a pipe or a device, expected a file", os.fsdecode(path))
    for name in inputs:
        if name is not None and _are_one(path, name):
            raise ValueError(
                f"{os.fsdecode(path)} would be written over {os.fsdecode(name)}, which is read "
                "or written too: give another name"
            )


def _are_one(path: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two paths lead to the same file, which need not exist yet; False for devices."""
    try:
        return os.path.samefile(path, other) and os.path.isfile(path)
    except FileNotFoundError:
        return os.path.realpath(path) == os.path.realpath(other)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file that replaces the file at `path` when the block ends without an error.

    Links are followed: their target is replaced. The new file has the permissions of the old one.
    Pipes and character devices are written directly.

    Raises
    ------
    OSError
        The error names `path`; the old file is unchanged.
    """
    target = _target(path)
    if target is None:
        with open(path, "wb", buffering=0) as raw, _Stream(raw) as stream:
            yield stream
        return
    folder, name = os.path.split(target.path)
    _remove_leftovers(folder, name)
    part = os.path.join(folder, f"{_stem(name)}{secrets.token_hex(8)}.part")
    try:
        with _new_file(part, target) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if locks is not None:  # it keeps its lock until it has its name
                os.replace(part, target.path)
        if locks is None:  # no open file can be renamed
            os.replace(part, target.path)
        _sync_folder(folder)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        if isinstance(error, OSError) and error.errno and error.filename in (None, part):
            raise OSError(error.errno, error.strerror, os.fsdecode(path)) from error
        raise


def _target(path: str | os.PathLike[str]) -> _Target | None:
    """The file to replace; None for pipes and devices, which are written directly."""
    name = os.fsdecode(path)
    if not os.path.basename(name):
        raise IsADirectoryError(errno.EISDIR, "is a folder, expected the name of a file", name)
    target = os.path.realpath(name)
    folder = os.path.dirname(target)
    try:
        status = os.stat(name)
    except FileNotFoundError:
        if not os.path.isdir(folder):
            raise FileNotFoundError(
                f"the folder of {name} does not exist: {folder} is no folder"
            ) from None
        _check_folder(folder, name)
        return _Target(target, None)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder, expected the name of a file", name)
    if stat.S_ISBLK(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        raise OSError(errno.EINVAL, "is a disk or a socket, expected a file", name)
    if not os.access(name, os.W_OK):
        raise PermissionError(errno.EACCES, "may not be written", name)
    if not stat.S_ISREG(status.st_mode) or not _is_at(target, status):
        return None
    _check_folder(folder, name)
    return _Target(target, status)


def _is_at(target: str, status: os.stat_result) -> bool:
    """Whether the file has this name; an open file may have none."""
    try:
        return os.path.samestat(os.stat(target), status)
    except FileNotFoundError:
        return False


def _check_folder(folder: str, name: str) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, f"no file can be made in its folder {folder}", name)


def _new_file(part: str, target: _Target) -> BinaryIO:
    """Open and lock an unfinished file, with owner and permissions of the file it replaces."""
    # A new file gets the permissions that ``open`` would give.
    mode = 0o666 if target.status is None else 0o600
    while True:
        handle = os.open(part, _flags("O_RDWR", "O_CREAT", "O_EXCL", "O_BINARY"), mode)
        file = os.fdopen(handle, "wb")
        with contextlib.suppress(OSError):  # a file system without locks
            if locks is not None:
                locks.flock(handle, locks.LOCK_EX)
        if os.fstat(handle).st_nlink:
            break
        file.close()  # removed as a leftover before it was locked
    try:
        if target.status is not None:
            with contextlib.suppress(PermissionError):
                if hasattr(os, "chown"):
                    os.chown(part, target.status.st_uid, target.status.st_gid)
            shutil.copystat(target.path, part)
    except BaseException:
        file.close()
        raise
    return file


def _flags(*names: str) -> int:
    """Flags of ``os.open``, of those that this system has."""
    return sum(getattr(os, name, 0) for name in names)


def _stem(name: str) -> str:
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return f"{name}.structsvm-"


def is_unfinished(found: str, name: str) -> bool:
    """Whether a file called `found` is an unfinished one that is to be called `name`."""
    return re.fullmatch(re.escape(_stem(name)) + r"[0-9a-f]{16}\.part", found) is not None


def _remove_leftovers(folder: str, name: str) -> None:
    """Remove unfinished files of this name that no process writes any more."""
    # A folder that may not be listed, a file that may not be opened or cannot be locked.
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for part in [entry.path for entry in entries if is_unfinished(entry.name, name)]:
            with contextlib.suppress(OSError):
                if locks is None:
                    os.unlink(part)
                    continue
                handle = os.open(part, _flags("O_RDWR", "O_NOFOLLOW", "O_NONBLOCK"))
                try:
                    locks.flock(handle, locks.LOCK_EX | locks.LOCK_NB)
                    if stat.S_ISREG(os.fstat(handle).st_mode):
                        os.unlink(part)
                finally:
                    os.close(handle)


def _sync_folder(folder: str) -> None:
    """Make the new name survive a loss of power, if the file system can."""
    with contextlib.suppress(PermissionError):
        handle = os.open(folder, _flags("O_RDONLY", "O_DIRECTORY"))
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(handle)
