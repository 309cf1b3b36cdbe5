# The mean of the last five numbers; it needs no attachment and nothing but Python.

# engine.schema.0: double
# engine.schema.1: double

N_STEPS = 5


def begin():
    global window
    window = []


def action(x):
    window.append(x)
    del window[:-N_STEPS]
    if len(window) == N_STEPS:
        yield sum(window) / N_STEPS
