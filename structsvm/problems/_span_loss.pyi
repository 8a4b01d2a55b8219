from structsvm.inference._spans import SpanMaximizer
from structsvm.problems._losses import PartLoss

class SpanLoss(PartLoss):
    def __init__(self, maximizer: SpanMaximizer, outside: int) -> None: ...
