"""Engines make the oracle calls of a pass: serially, by threads or by processes.

A solver asks its engine and never starts a thread or a process. An engine asks a problem one
question about some examples at fixed weights, and puts the answers into their slots. Your own
engine subclasses `Engine` and implements ``begin``:

    begin(problem, question, examples, w, out) -> job

    requires   `question` is the name of a method of the problem: "planes", or a method that
               `predict` asks. Its arguments are (examples, w, out, start, thread); it writes the
               answer about examples[k] into slot start + k of `out`. `w` is a padded vector. `w`,
               `out` and the state of the problem do not change until the job has ended
    ensures    after ``job.wait()`` slot k holds the answer about examples[k] for all k, with the
               same bits for any worker and timing. ``wait`` raises what the problem raised
    the end    after ``wait`` or ``abandon``, even if interrupted, nothing writes to `out` or uses
               the problem any more
    threads    at most `n_workers` calls at a time, each with its own `thread`, below the number
               that ``problem.reserve`` was called with. One thread begins and ends all jobs; at
               most `in_flight` are running
    elsewhere  without shared memory, and only if the problem is ``portable``: a pickled copy of it
               runs ``pack(question, examples, w)``, and ``unpack(examples, piece, out, start)`` in
               this process checks the result and writes it. State of the problem besides its data,
               such as sample weights, is applied here
    parts      an engine whose answers come from `elsewhere` is introduced to the problem that a fit
               trains on, with a source of its parts, and ``on_parts`` runs a task on each of them
               where it lies

    together   where threads share memory, an engine with `n_threads` above 1 runs one task in
               several of them; solvers share their own work by it. The task copes with threads
               that come late or never

``planes``, for passes at fixed weights, and ``stream``, for passes whose weights move while batches
are running, build on it; ``stream`` takes batches in order, so results do not depend on timing.
"""

from structsvm.engines.base import Engine, Job, Serial
from structsvm.engines.dask import DaskEngine
from structsvm.engines.local import Local
from structsvm.engines.processes import Processes
from structsvm.engines.threads import Threads, useful_workers

__all__ = ["DaskEngine", "Engine", "Job", "Local", "Processes", "Serial", "Threads", "make_engine"]


def make_engine(n_jobs: int) -> Engine:
    """An engine with at most `n_jobs` workers, limited to a useful number; serial for one."""
    n_workers = useful_workers(n_jobs, n_jobs) if n_jobs > 1 else 1
    return Serial() if n_workers == 1 else Local(n_workers)
