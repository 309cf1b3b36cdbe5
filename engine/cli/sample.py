"""The files of a new library: a moving average, small enough to read at once."""

from __future__ import annotations

SCRIPT = '''\
# engine.schema.0: double
# engine.schema.1: double

"""The mean of the last five prices."""


def begin():
    global prices
    prices = []


def action(price):
    prices.append(price)
    if len(prices) > 5:
        del prices[0]
    if len(prices) == 5:
        yield sum(prices) / 5
'''

FILES = {
    "model_scripts/average.py": SCRIPT,
    "schemas/double.avsc": '"double"\n',
    "streams/rest.json": '{"Transport": {"Type": "REST"}, "Encoding": "json"}\n',
    "prices.jsons": "1455.0\n1399.5\n1402.0\n1403.5\n1441.0\n1457.5\n1438.5\n1432.0\n1449.5\n1465.0\n",
    "expected.jsons": "1420.2\n1420.7\n1428.5\n1434.5\n1443.7\n1448.5\n",
    ".gitignore": ".engine/\n",
}
"""For each path in the new folder, its text."""
