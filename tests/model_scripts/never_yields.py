def action(x):
    pass
