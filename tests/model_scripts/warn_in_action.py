import warnings


def action(x):
    warnings.warn("only a warning")
    yield x
