"""The block solver's passes in numpy: dense planes, no tricks, a line of the method a line here.

`ReferenceBlocks` has the interface of ``structsvm.solvers._blocks.DualBlocks``, so that one driver
runs on both; it is itself all the pieces that a `DualBlocks` is made of.
Comments name steps of Lacoste-Julien et al. (2013), Algorithm 4, where they apply.
"""

import numpy as np

SAME_HEIGHT, WORSE_HEIGHT, BLOCK_TOLERANCE, MAX_STEPS = 1e-12, 1e-8, 0.1, 5


class Plane:
    def __init__(self, delta, loss, serial=-1):
        self.delta, self.loss, self.serial = delta, loss, serial
        self.weight, self.idle = 0.0, 0

    def height(self, w):
        return self.loss - self.delta @ w


def first_extreme(values, candidates, margin):
    """The first candidate that no later one tops by more than `margin`."""
    best, *others = candidates
    for k in others:
        if values[k] > values[best] + margin:
            best = k
    return best


class ReferenceBlocks:
    def __init__(self, problem, *, frank_wolfe, max_planes, drop_after, average):
        self.problem = problem
        self.options = {
            "frank_wolfe": frank_wolfe,
            "max_planes": max_planes,
            "drop_after": drop_after,
            "average": average,
        }
        self.store = self.point = self.steps = self.evaluator = self
        self.frank_wolfe, self.max_planes, self.drop_after = frank_wolfe, max_planes, drop_after
        self.n = problem.n_examples
        self.regularization = 1.0
        self.weights = np.zeros(problem.n_weights)
        self.gaps, self.hinges = np.zeros(self.n), np.zeros(self.n)
        self.lag = np.zeros(problem.n_weights) if average else None
        self.lag_factor = 0.0
        self.n_updates = self.n_oracle_calls = self.n_overruled = self.nbytes = (
            self.vector_bytes
        ) = 0
        self.worst_answer = None
        self.mixed, self.patient, self.next_serial = frank_wolfe, False, [0] * self.n
        # The truth is the plane (0, 0); all weight is on it at first.
        self.truth = [Plane(np.zeros(problem.n_weights), 0.0) for _ in range(self.n)]
        for truth in self.truth:
            truth.weight = 1.0
        self.planes = [[] for _ in range(self.n)]

    @property
    def n_planes(self):
        return sum(map(len, self.planes))

    @property
    def n_entries(self):
        return sum(int(np.count_nonzero(p.delta)) for block in self.planes for p in block)

    def ask(self, i, w):
        indices, values, loss = self.problem.oracle(i, w)
        delta = np.zeros(self.problem.n_weights)
        delta[indices] = values
        self.n_oracle_calls += 1
        return Plane(delta, loss)

    def judge(self, i, plane, w):
        block = self.planes[i]
        best = max([self.truth[i], *block], key=lambda p: p.height(w))
        known, height = best.height(w), plane.height(w)
        magnitude = abs(plane.loss) + abs(plane.loss - height)
        magnitude += abs(best.loss) + abs(best.loss - known)
        if height < known - WORSE_HEIGHT * sum(
            abs(p.loss) + np.abs(w * p.delta).sum() for p in (plane, best)
        ):
            self.n_overruled += 1
        if height > known + SAME_HEIGHT * magnitude:
            if self.frank_wolfe and not block:
                mixed = Plane(np.zeros_like(w), 0.0)
                mixed.weight, self.truth[i].weight = 1.0, 0.0
                block.append(mixed)
            idle = [p for p in block if p.weight == 0.0]
            most = (1 + self.patient) * self.max_planes
            if self.max_planes and len(block) >= most and idle:
                block.remove(min(idle, key=lambda p: (-p.idle, p.height(w))))
            plane.serial, self.next_serial[i] = self.next_serial[i], self.next_serial[i] + 1
            block.append(plane)
        return max(known, height)

    def current(self, i, w):
        return sum(p.weight * p.height(w) for p in self.planes[i])

    def move(self, direction, share):
        step = share / (self.regularization * self.n) * direction
        self.weights = self.weights + step
        if self.lag is not None:
            self.lag += self.lag_factor * step

    def optimise(self, i, gap):
        if self.frank_wolfe:
            self.frank_wolfe_step(i)
        elif gap > 0:
            self.pairwise_steps(i, BLOCK_TOLERANCE * gap)
        self.n_updates += 1
        self.lag_factor += self.n_updates

    def pairwise_steps(self, i, tolerance):
        planes = [self.truth[i], *self.planes[i]]
        heights = [p.height(self.weights) for p in planes]
        margin = SAME_HEIGHT * max(
            abs(p.loss) + abs(p.loss - h) for p, h in zip(planes, heights, strict=True)
        )
        for _ in range(MAX_STEPS):
            heights = [p.height(self.weights) for p in planes]
            up = first_extreme(heights, range(len(planes)), margin)
            if heights[up] - self.current(i, self.weights) <= tolerance:
                break
            used = [k for k, p in enumerate(planes) if p.weight > 0]
            low = first_extreme([-h for h in heights], used, margin)
            direction = planes[up].delta - planes[low].delta
            distance = direction @ direction / (self.regularization * self.n)
            share, gain = planes[low].weight, heights[up] - heights[low]
            if gain < share * distance:
                share = gain / distance
            planes[low].weight -= share
            planes[up].weight += share
            self.move(direction, share)

    def frank_wolfe_step(self, i):
        planes = [self.truth[i], *self.planes[i]]
        if len(planes) == 1:
            return
        mixed = planes[1]
        corner = max(planes, key=lambda p: p.height(self.weights))  # s: the best corner
        gain = corner.height(self.weights) - mixed.height(self.weights)
        if corner is mixed or gain <= 0:
            return
        direction = corner.delta - mixed.delta
        distance = direction @ direction / (self.regularization * self.n)
        step = gain / distance if gain < distance else 1.0  # gamma: exact line search, clipped
        self.move(direction, step)
        mixed.delta = (1 - step) * mixed.delta + step * corner.delta
        mixed.loss = (1 - step) * mixed.loss + step * corner.loss

    def exact_pass(self, order, engine=None):
        for i in order:
            w = self.weights
            plane = self.ask(i, w)
            known = max([0.0] + [p.height(w) for p in self.planes[i]])
            current = self.current(i, w)
            first = 1 if self.frank_wolfe else 0
            for p in self.planes[i][first:]:
                p.idle = 0 if p.weight > 0 else p.idle + 1
                if p.weight == 0 and p.idle >= self.drop_after and p.height(w) < known:
                    self.planes[i].remove(p)
            self.hinges[i] = self.judge(i, plane, w)
            self.gaps[i] = self.hinges[i] - current
            self.optimise(i, self.gaps[i])
            if self.max_planes == 0:
                kept = [p for p in self.planes[i][first:] if p.weight > 0]
                self.planes[i] = self.planes[i][:first] + kept

    def cached_pass(self, order, skip_below=-np.inf, engine=None):
        met = self.cached_gaps(order, skip_below)
        return sum(met) / max(len(met), 1)

    def cached_gaps(self, order, skip_below=-np.inf):
        met = []
        for i in order:
            if not self.planes[i] or self.gaps[i] < skip_below:
                continue
            heights = [0.0] + [p.height(self.weights) for p in self.planes[i]]
            self.gaps[i] = max(heights) - self.current(i, self.weights)
            met.append(self.gaps[i])
            self.optimise(i, self.gaps[i])
        return met

    def evaluate(self, weights, hinges=None, engine=None):
        met = [self.judge(i, self.ask(i, weights), weights) for i in range(self.n)]
        if hinges is not None:
            hinges[:] = met
        return sum(met) / max(self.n, 1)

    def look_at(self, weights):
        self.looked_at = np.array(weights)

    def hinge_at_multiple(self, multiple):
        w = multiple * self.looked_at
        pairs = zip(self.truth, self.planes, strict=True)
        highest = [max([t, *block], key=lambda p: p.height(w)) for t, block in pairs]
        slopes = [-p.delta @ self.looked_at for p in highest]
        return sum(p.height(w) for p in highest) / self.n, sum(slopes) / self.n

    def combination(self):
        support = [p for block in self.planes for p in block if p.weight > 0]
        z = sum((p.weight * p.delta for p in support), np.zeros(self.problem.n_weights))
        return z / self.n, sum(p.weight * p.loss for p in support) / self.n

    def aggregate(self, weights, serials):
        delta, loss = np.zeros(self.problem.n_weights), 0.0
        for i, block in enumerate(self.planes):
            best = max([self.truth[i], *block], key=lambda p: p.height(weights))
            for p in block:
                p.idle = 0 if p is best else p.idle + 1
            serials[i] = best.serial
            delta, loss = delta + best.delta, loss + best.loss
        return delta / self.n, loss / self.n

    def dual_point(self):
        used = [(i, p) for i in range(self.n) for p in self.planes[i] if p.weight > 0]
        examples, serials = ([i for i, _ in used], [p.serial for _, p in used])
        return np.int32(examples), np.int32(serials), np.array([p.weight for _, p in used])

    def find(self, i, serial):
        return next((p for p in self.planes[i] if p.serial == serial), None)

    def holds(self, examples, serials):
        return all(self.find(i, s) is not None for i, s in zip(examples, serials, strict=True))

    def spare(self, examples, serials, visits):
        for i, serial in zip(examples, serials, strict=True):
            if (plane := self.find(i, serial)) is not None:
                plane.idle = -visits

    def go_to(self, examples, serials, weights):
        for block in self.planes:
            for p in block:
                p.weight = 0.0
        for i, serial, weight in zip(examples, serials, weights, strict=True):
            if (plane := self.find(i, serial)) is not None:
                plane.weight += weight
        for truth, block in zip(self.truth, self.planes, strict=True):
            total = sum(p.weight for p in block)
            for p in block:
                p.weight /= max(total, 1.0)
            truth.weight = max(1.0 - total, 0.0)

    def support(self):
        support = [p for block in self.planes for p in block if p.weight > 0]
        count = max(len(support), 1)
        return (
            len(support),
            sum(p.delta @ p.delta for p in support) / count,
            sum(p.loss for p in support) / count,
        )

    def move_to(self, weights):
        if self.lag is not None:
            self.lag += self.lag_factor * (weights - self.weights)
        self.weights = np.array(weights)

    def average(self):
        if self.lag_factor == 0:
            return np.array(self.weights)
        return self.weights - self.lag / self.lag_factor
