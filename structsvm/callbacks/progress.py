"""ProgressBar: how far a fit is, in a terminal, a notebook or a file."""

from __future__ import annotations

import contextlib
import html
import math
import sys
import time
from typing import Any, TextIO

from structsvm.solvers import Progress

__all__ = ["ProgressBar"]


class ProgressBar:
    """Show the progress of a fit on one line: passes, gap, validation score, time.

    The bar fills as the logarithm of the gap falls from 1 to `tol`. On a terminal the line is
    rewritten in place, at most every tenth of a second, with a coloured bar where `rich` is
    installed (``pip install 'structured-svm[progress]'``); in a Jupyter notebook it is a bar below
    the cell; elsewhere it is written once for each power of ten of the gap. Solvers without a dual
    have no gap and no bar, but a line a pass.

    Parameters
    ----------
    tol : float, default=1e-3
        The gap at which the bar is full: the estimator's `tol`.
    file : text stream, default=None
        Where to write; None is the notebook, or else standard error.

    Examples
    --------
    >>> import sys
    >>> from structsvm import ChainSVM
    >>> from structsvm.callbacks import ProgressBar
    >>> X, y = [[[1.0, 0.0], [0.0, 1.0]]], [["a", "b"]]
    >>> bar = ProgressBar(file=sys.stdout)
    >>> svm = ChainSVM(callbacks=[bar], random_state=0).fit(X, y)  # doctest: +ELLIPSIS
    [...]  pass    1  gap ...
    """

    _WIDTH = 24
    _PERIOD = 0.1  # seconds between two drawings

    def __init__(self, tol: float = 1e-3, file: TextIO | None = None) -> None:
        if not 0.0 < tol < 1.0:
            raise ValueError(f"tol={tol}: expected a number between 0 and 1")
        self.tol = tol
        self.file = file
        self._written = -math.inf
        self._level = 1.0
        self._shown: Any = None  # what the notebook shows

    def __repr__(self) -> str:
        return f"ProgressBar(tol={self.tol:g})"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_shown": None}

    def __call__(self, progress: Progress) -> None:
        if progress.n_iter == 1:
            self._written, self._level, self._shown = -math.inf, 1.0, None
        gap = min(progress.gap, progress.gap_estimate)
        done = progress.gap <= self.tol
        file = sys.stderr if self.file is None else self.file
        notebook = _notebook() if self.file is None else None
        if notebook is not None or file.isatty():
            now = time.monotonic()
            if now - self._written < self._PERIOD and not done:
                return
            self._written = now
            if notebook is not None:
                self._show(notebook, progress, gap)
            else:
                line = self._line(progress, gap, file)
                self._tell(file, f"\r\x1b[K{line}" + ("\n" if done else ""))
        elif progress.n_iter == 1 or not gap > self._level / 10 or done:
            if gap > 0.0:
                self._level = 10.0 ** math.ceil(math.log10(gap))
            self._tell(file, self._line(progress, gap) + "\n")

    @staticmethod
    def _tell(file: TextIO, text: str) -> None:
        # A closed stream must not stop the fit.
        with contextlib.suppress(BrokenPipeError):
            file.write(text)
            file.flush()

    def _show(self, display: Any, progress: Progress, gap: float) -> None:
        """The bar of a notebook: made once, then rewritten."""
        bar = "" if math.isnan(gap) else f'<progress value="{self._share(gap):.3f}"></progress> '
        told = html.escape("  ".join(self._parts(progress, gap)))
        shown = display.HTML(f'<div style="white-space: pre">{bar}{told}</div>')
        if self._shown is None:
            self._shown = display.display(shown, display_id=True)
        else:
            self._shown.update(shown)

    def _line(self, progress: Progress, gap: float, terminal: TextIO | None = None) -> str:
        parts = self._parts(progress, gap)
        if not math.isnan(gap):
            share = self._share(gap)
            filled = round(self._WIDTH * share)
            bar = None if terminal is None else _rich_bar(share, self._WIDTH, terminal)
            parts.insert(0, bar or "[" + "#" * filled + "." * (self._WIDTH - filled) + "]")
        return "  ".join(parts)

    def _share(self, gap: float) -> float:
        """How much of the bar is full."""
        return max(min(math.log(max(gap, self.tol)) / math.log(self.tol), 1.0), 0.0)

    @staticmethod
    def _parts(progress: Progress, gap: float) -> list[str]:
        parts = [f"pass {progress.n_iter:4d}"]
        if math.isnan(gap):
            parts.append(f"mean hinge {progress.mean_hinge:.4g}")
        else:
            kind = "gap" if progress.gap <= gap else "gap about"
            kind = "gap estimate" if progress.is_estimate else kind
            parts.append(f"{kind} {gap:.1e}")
        if progress.validation_scores:
            score, best = progress.validation_scores[-1], max(progress.validation_scores)
            parts.append(f"validation {score:.4f} (best {best:.4f})")
        parts.append(f"{progress.seconds:.1f} s")
        return parts


def _notebook() -> Any:
    """IPython's functions of display, where a kernel shows what they make; else None."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    import IPython.display

    return IPython.display


def _rich_bar(share: float, width: int, file: TextIO) -> str | None:
    """A bar in colour, or None without `rich`."""
    try:
        from rich.console import Console
        from rich.progress_bar import ProgressBar as Bar
    except ImportError:
        return None
    console = Console(file=file)
    with console.capture() as drawn:
        console.print(Bar(total=1.0, completed=share, width=width), end="")
    return str(drawn.get()).rstrip("\n")
