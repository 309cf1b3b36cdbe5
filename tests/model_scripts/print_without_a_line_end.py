import os


def action(x):
    print("stands alone", end="")
    os.write(1, b"from below\n")
    yield x
