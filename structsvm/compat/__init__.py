"""The interfaces of other packages, on the estimators of this one.

`structsvm.compat.crfsuite` has the classes of sklearn-crfsuite and python-crfsuite.
"""
