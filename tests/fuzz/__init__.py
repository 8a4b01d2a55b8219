"""Random inputs against the promise that no input crashes, hangs, or gets a false answer.

    make fuzz                                       all of it, more than 100,000 inputs
    python tests/fuzz --inputs 5000 --targets inference --seed 7
    python tests/fuzz replay fuzz-findings/inference-7-123.pickle

An input is a function of target, seed and number, so a run can be repeated. Each target makes valid
inputs and spoils most of them a little, in places where the check of what is valid may be wrong.
They run in processes with limits of memory and time. A finding is

- the end of the process by a signal (with an address sanitizer: by its report),
- a hang: more seconds of work on one input than any needs,
- memory: far more than the input can stand for,
- an exception that is none of the documented kinds, or a RuntimeWarning, or
- a wrong answer, where the right one is known: by a look at all outputs of a tiny problem, or as
  weights must be finite and no dual value may exceed a primal one.

`mutation` spoils values, `harness` runs and judges, `targets` say what is called and checked.
"""
