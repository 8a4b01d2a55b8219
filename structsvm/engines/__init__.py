"""Engines: who makes the oracle calls of a pass. They know problems, and of these one door.

A solver asks its engine and never starts a thread or a process. An engine puts one question to a
problem, about some examples at fixed weights, and sees to it that the answers come back in their
slots. An engine of your own subclasses `Engine` and implements ``begin``:

    begin(problem, question, examples, w, out) -> job

    requires   `question` is the name of a method of the problem, "planes" or one that `predict`
               asks, with arguments (examples, w, out, start, thread): it writes the answer about
               examples[k] into slot start + k of `out`. `w` is a padded vector. `w`, `out` and
               the state of the problem stay as they are until the job has ended
    ensures    after ``job.wait()`` slot k holds the answer about examples[k] for all k, the same
               bits whoever gave it and whenever. What the problem raised, ``wait`` raises
    the end    when ``wait`` or ``abandon`` is over, by whatever it was interrupted, nobody writes
               to `out` or uses the problem any more
    threads    at most `n_workers` calls at a time, each with its own `thread` from 0 to what
               ``problem.reserve`` was called for, less one. Jobs are begun and ended by one thread;
               at most `in_flight` are under way
    elsewhere  where memory is not shared, and the problem is ``portable``: a pickled copy of it
               makes ``pack(question, examples, w)``, and ``unpack(examples, piece, out, start)``
               here checks that and writes it. What a problem has beside its data, sample weights
               among it, is applied here

On that stand ``planes``, for passes at fixed weights, and ``stream``, for passes whose weights move
on while batches are under way: it takes them in order, so that results do not depend on timing.
"""

from structsvm.engines.base import Engine, Job, Serial
from structsvm.engines.local import Local
from structsvm.engines.processes import Processes
from structsvm.engines.threads import Threads, useful_workers

__all__ = ["Engine", "Job", "Local", "Processes", "Serial", "Threads", "make_engine"]


def make_engine(n_jobs: int) -> Engine:
    """An engine with `n_jobs` workers, no more than there is use for; serial for one."""
    n_workers = useful_workers(n_jobs, n_jobs) if n_jobs > 1 else 1
    return Serial() if n_workers == 1 else Local(n_workers)
