"""Workers of a Dask cluster for ``structsvm train --scheduler``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from structsvm.engines import DaskEngine
from structsvm.exceptions import ClusterError

__all__ = ["workers_of"]

_WAIT = "10s"


@contextlib.contextmanager
def workers_of(address: str | None) -> Iterator[DaskEngine | None]:
    """An engine for the cluster of this scheduler; None without an address."""
    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError:
        raise ValueError(
            "--scheduler needs dask.distributed: pip install 'structured-svm[dask]'"
        ) from None
    try:
        client = Client(address, timeout=_WAIT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"--scheduler {address}: no scheduler answers there: {reason}") from None
    with client, contextlib.closing(DaskEngine(client)) as engine:
        try:
            yield engine
        except ClusterError as error:
            raise ValueError(str(error)) from error
