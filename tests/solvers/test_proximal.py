"""The proximal schedule alone: weight, centre, scale, snapshots."""

import math

import numpy as np
import pytest

from structsvm.data.snapshots import check_snapshot
from structsvm.solvers.proximal import ProximalSchedule


def play(schedule, rounds, improved=True, share=0.9, rate=0.5, seed=0, tol=1e-3):
    """So many rounds, each of which leaves `share` of the gap; the centres."""
    rng, gap, centres = np.random.default_rng(seed), 1.0, []
    for _ in range(rounds):
        gap *= share
        schedule.record(improved, gap, max(math.log(gap / tol), 0.0))
        centres.append(schedule.move(rng.normal(size=3), rate))
    return centres


def test_the_centre_moves_by_nesterovs_rule():
    schedule = ProximalSchedule(0.1, 2, 2.0)
    w, v = np.array([1.0, 2.0]), np.array([2.0, 0.0])
    np.testing.assert_array_equal(schedule.move(w, 0.4), w)  # from where there is no past
    assert schedule.kappa == 0.8
    assert schedule.strength == 0.9
    q = math.sqrt(0.1 / 0.9)
    centre = schedule.move(v, 0.4)
    np.testing.assert_allclose(centre, v + (1 - q) / (1 + q) * (v - w), rtol=1e-15)
    # The minimum of lambda / 2 |u|^2 - <z, u> + kappa / 2 |u - centre|^2.
    z = np.array([3.0, -1.0])
    u = schedule.around(centre, z)
    np.testing.assert_allclose(0.1 * u - z + 0.8 * (u - centre), 0, atol=1e-15)
    assert schedule.around(centre, z, out=centre) is centre
    np.testing.assert_array_equal(centre, u)
    np.testing.assert_array_equal(schedule.around(None, z), z / 0.1)


def test_weights_are_copied_and_centres_new():
    schedule = ProximalSchedule(0.1, 3, 1.0)
    w = np.ones(3)
    first = schedule.move(w, 1.0)
    w[:] = first[:] = 7.0
    v = np.full(3, 2.0)
    second = schedule.move(v, 1.0)
    q = math.sqrt(0.1 / 1.1)
    np.testing.assert_allclose(second, 2.0 + (1 - q) / (1 + q))
    np.testing.assert_array_equal(v, 2.0)


def test_a_stall_halves_the_scale_for_good_and_drops_the_momentum():
    schedule = ProximalSchedule(0.1, 3, 4.0)
    play(schedule, 2, improved=False)
    assert schedule.kappa_scale == 4.0
    w = np.ones(3)
    schedule.record(False, 1.0, 1.0)
    np.testing.assert_array_equal(schedule.move(w, 0.5), w)
    assert schedule.kappa_scale == 2.0
    assert schedule.kappa == 1.0
    # Slow as it may be, it is not doubled again ...
    play(schedule, 100, share=1.0)
    assert schedule.kappa_scale == 2.0
    # ... unless it may be tried again.
    again = ProximalSchedule(0.1, 3, 4.0, retry_after=16)
    play(again, 3, improved=False)
    play(again, 15, share=1.0)
    assert again.kappa_scale == 2.0
    play(again, 9, share=1.0)
    assert again.kappa_scale == 4.0


@pytest.mark.parametrize(("share", "scale"), [(1.0, 2.0), (0.93, 2.0), (0.9, 1.0)])
def test_slow_rounds_double_the_scale(share, scale):
    schedule = ProximalSchedule(0.1, 3, 1.0)
    play(schedule, 1)  # from which on it is watched
    schedule.watched_rounds, schedule.watched_gap = 0, 1.0
    play(schedule, 8, share=share)
    assert schedule.kappa_scale == 1.0
    schedule.record(True, share**9, 1.0)
    schedule.move(np.ones(3), 0.5)
    assert schedule.kappa_scale == scale


def test_a_late_schedule_waits_until_the_tolerance_is_far():
    # ln(1000) / 20 rounds: a fall to .7 in each is fast enough, .71 is not.
    assert play(ProximalSchedule(0.1, 3, 3.0, late=True), 20, share=0.7) == [None] * 20
    schedule = ProximalSchedule(0.1, 3, 3.0, late=True)
    # Four falls are looked at, between five rounds.
    assert play(schedule, 4, share=0.8) == [None] * 4
    schedule.record(True, 0.8**5, math.log(0.8**5 / 1e-3))
    schedule.move(np.ones(3), 0.5)
    assert schedule.kappa_scale == 3.0
    schedule.record(True, 0.8**6, math.log(0.8**6 / 1e-3))
    assert schedule.move(np.ones(3), 0.5) is not None
    assert schedule.kappa == 1.5
    schedule.reset()
    assert schedule.kappa_scale == schedule.kappa == 0.0
    # At the tolerance nothing is far.
    assert play(ProximalSchedule(0.1, 3, 3.0, late=True), 9, share=1.0, tol=1.0) == [None] * 9
    never = ProximalSchedule(0.1, 3, 0.0, late=True)
    assert play(never, 9, share=1.0) == [None] * 9
    assert never.strength == 0.1


def test_within_the_tolerance_the_weight_stays_while_the_momentum_lasts():
    schedule = ProximalSchedule(0.1, 3, 1.0, tolerance=0.25)
    w = np.ones(3)
    for rate, kappa in ((1.0, 1.0), (1.2, 1.0), (0.8, 1.0), (1.3, 1.3), (0.0, 0.0), (1.2, 1.2)):
        centre = schedule.move(w, rate)
        assert schedule.kappa == kappa
        assert (centre is None) == (rate == 0.0)
    schedule.begin(2.0)
    assert schedule.kappa == 2.0


@pytest.mark.parametrize("options", [{}, {"late": True, "retry_after": 4}, {"tolerance": 0.3}])
def test_a_schedule_goes_on_from_its_snapshot(options):
    whole = ProximalSchedule(0.1, 3, 2.0, **options)
    check_snapshot(whole.snapshot(), whole.kinds())
    play(whole, 7, share=0.97)
    held = whole.snapshot()
    check_snapshot(held, whole.kinds())
    other = ProximalSchedule(0.1, 3, 2.0, **options)
    other.restore(held)
    for improved in (True, False, True):
        a, b = (play(s, 12, improved=improved, share=0.99) for s in (whole, other))
        np.testing.assert_array_equal(np.array(a, dtype=float), np.array(b, dtype=float))
    assert vars(whole).keys() == vars(other).keys()
    assert whole.kappa_scale == other.kappa_scale != 2.0
