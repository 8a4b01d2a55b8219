"""Checks whether the oracle of a model from outside this package can be exact.

A hinge is a maximum over all outputs, so it is at least the value of every output, for example of
the model's own prediction. And no output, not even the true one, scores more than a prediction. A
model that breaks one of these rules is not exact. The reverse does not hold: predictions do not
show all faults; use `structsvm.testing.check_model` to find the others.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.engines import Engine

__all__ = ["a_few", "find_fault", "find_fault_in"]

# Differences below this share of the magnitudes of all terms are rounding: models may use float32.
_ROUNDING = 1e-6
# A loss of a true output up to this is rounding.
_NO_LOSS = 1e-9
# Number of examples to check early, and of examples with rivals at the end.
_A_HANDFUL, _SOME = 8, 32
# Rivals come from lowering the score of the true output by these shares of a typical loss.
_PUSHES = (0.5, 1.0, 2.0)


class _Outputs(NamedTuple):
    """One output for each of some examples: its loss, and its score minus the true output's; and
    by how much the bound on all scores is above its own."""

    losses: NDArray[np.float64]
    leads: NDArray[np.float64]
    rounding: NDArray[np.float64]
    excess: NDArray[np.float64]

    def heights(self, slack: bool) -> NDArray[np.float64]:
        """Lower bounds of the hinges."""
        if slack:
            return self.losses * (1.0 + self.leads)
        return self.losses + self.leads


def find_fault(
    problem: Any, weights: NDArray[np.float64], hinges: NDArray[np.float64], engine: Engine
) -> str | None:
    """A sentence about the worst fault at these weights, given their hinges; None without a fault.

    It makes one prediction for each example, and three at other weights for some examples.
    """
    factors = problem.example_weights()
    examples = np.flatnonzero(factors).astype(np.int32)
    hinges = hinges[examples] / factors[examples]
    predicted = _predictions(problem, weights, examples, engine)
    fault = _fault(problem, examples, hinges, predicted)
    if fault is not None or not len(examples):
        return fault
    # Missed maxima are most likely where hinges are 0.
    places = np.flatnonzero(hinges <= 0.0) if (hinges <= 0.0).any() else np.arange(len(examples))
    places = places[np.linspace(0, len(places) - 1, min(len(places), _SOME)).astype(int)]
    rounding = predicted.rounding[places]
    typical = _typical(hinges, predicted)
    return _rival_fault(problem, weights, examples[places], hinges[places], rounding, typical)


def a_few(problem: Any) -> NDArray[np.int32]:
    """A few of the examples whose sample weight is not 0."""
    counting = np.flatnonzero(problem.example_weights())
    places = np.linspace(0, len(counting) - 1, min(len(counting), _A_HANDFUL)).astype(int)
    few: NDArray[np.int32] = counting[places].astype(np.int32)
    return few


def find_fault_in(
    problem: Any, weights: NDArray[np.float64], examples: NDArray[np.int32], engine: Engine
) -> str | None:
    """A sentence about the worst fault on a few examples; None without a fault.

    It makes an oracle call, a prediction and three predictions at other weights for each.
    """
    slack = problem.rescaling == "slack"
    losses, leads, _, excess = problem.answers_at(examples, weights, plain=False, engine=engine)
    hinges = np.maximum(losses + leads + excess, 0.0)
    predicted = _predictions(problem, weights, examples, engine)
    fault = _fault(problem, examples, hinges, predicted)
    if fault is not None or not len(examples):
        return fault
    # No output of the oracle scores more than the prediction.
    if slack:
        leads = np.divide(leads, losses, out=np.zeros_like(leads), where=losses > 0)
    ahead = leads - predicted.leads - predicted.excess
    if (k := _worst(ahead, predicted.rounding)) is not None:
        return (
            f"{problem.method_name('inference')} misses the maximum on example {examples[k]}: its "
            f"output scores {leads[k] - predicted.leads[k]:.6g} less than an output of the oracle. "
            + _WAY_OUT
        )
    typical = _typical(losses, predicted)
    return _rival_fault(problem, weights, examples, hinges, predicted.rounding, typical)


def _typical(hinges: NDArray[np.float64], predicted: _Outputs) -> float:
    """The size of a large loss or hinge; hinges are infinite where an output has no bound."""
    return float(max(hinges[np.isfinite(hinges)].max(initial=0.0), predicted.losses.max()))


_WAY_OUT = (
    "So the duality gap is no certificate. structsvm.testing.check_model finds such faults: "
    "correct the method, or declare the model exact = False"
)


def _predictions(
    problem: Any, weights: NDArray[np.float64], examples: Any, engine: Engine
) -> _Outputs:
    try:
        answers = problem.answers_at(examples, weights, plain=True, engine=engine)
    except Exception:  # perhaps from a batch method, which training does not need
        answers = problem.answers_at(examples, weights, plain=True, one_by_one=True)
    losses, leads, sizes, excess = answers
    return _Outputs(losses, leads, sizes + 2.0 * problem.truth_sizes(examples, weights), excess)


def _worst(excess: NDArray[np.float64], rounding: NDArray[np.float64]) -> int | None:
    """The index of the greatest excess above rounding; None if there is none."""
    excess = np.where(excess > _ROUNDING * rounding, excess, 0.0)
    return int(np.argmax(excess)) if excess.any() else None


def _rival_fault(
    problem: Any,
    weights: NDArray[np.float64],
    examples: NDArray[np.int32],
    hinges: NDArray[np.float64],
    rounding: NDArray[np.float64],
    typical: float,
) -> str | None:
    """A sentence about a hinge that is below the value of a rival output; None without one."""
    for push in _PUSHES:
        rivals = [problem.rival(int(i), weights, push * (typical or 1.0)) for i in examples]
        known = [k for k, rival in enumerate(rivals) if rival is not None]
        if known:
            losses, leads, sizes = np.array([rivals[k] for k in known]).T
            outputs = _Outputs(losses, leads, rounding[known] + sizes, np.zeros(len(known)))
            fault = _fault(problem, examples[known], hinges[known], outputs, predicted=False)
            if fault is not None:
                return fault
    return None


def _fault(
    problem: Any,
    examples: NDArray[np.int32],
    hinges: NDArray[np.float64],
    outputs: _Outputs,
    *,
    predicted: bool = True,
) -> str | None:
    slack = problem.rescaling == "slack"
    if predicted:
        of_truth = problem.truth_losses(examples)
        if (of_truth > _NO_LOSS * max(float(outputs.losses.max(initial=0.0)), 1.0)).any():
            i = int(examples[np.argmax(of_truth)])
            return (
                f"loss(y[{i}], y[{i}]) of {problem.model_name} is {of_truth.max():g}, expected 0: "
                "a loss measures how wrong an output is, not how similar. " + _WAY_OUT
            )
        if (k := _worst(-outputs.leads - outputs.excess, outputs.rounding)) is not None:
            return (
                f"{problem.method_name('inference')} misses the maximum on example {examples[k]}: "
                f"its output, with loss {outputs.losses[k]:.6g}, scores {-outputs.leads[k]:.6g} "
                f"less than the true output, or y[{examples[k]}] is no output that it can find; "
                f"the hinge is {hinges[k]:.6g}. " + _WAY_OUT
            )
    rounding = outputs.rounding * (np.maximum(outputs.losses, 1.0) if slack else 1.0)
    if (k := _worst(outputs.heights(slack) - hinges, rounding)) is None:
        return None
    method = problem.method_name(
        "slack_rescaled_inference" if slack else "loss_augmented_inference"
    )
    whose = "the model's own prediction" if predicted else "another output"
    lead = outputs.leads[k]
    ahead = f" and scores {abs(lead):.6g} {'more' if lead > 0 else 'less'} than the true output"
    return (
        f"{method} misses the maximum on example {examples[k]}: its hinge is "
        f"{hinges[k]:.6g}, but {whose} has loss {outputs.losses[k]:.6g}"
        f"{ahead if lead else ''}. {_WAY_OUT}"
    )
