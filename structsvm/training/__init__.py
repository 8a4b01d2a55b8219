"""Training: from a model and examples to weights, without an estimator."""
