from dataclasses import asdict

from engine.script import inspect_script, summarize

SOURCE = """# engine.slot.prices: 2
# engine.schema.prices: double
# engine.on_error.2: skip
# engine.timeout: 5s
# engine.schmea.1: double

seen = []

def begin():
    pass

def action(x, slot):
    seen.append(x)
    return x
"""


def test_a_summary_names_slots_in_order_hooks_state_and_notes() -> None:
    summary = asdict(summarize(inspect_script(SOURCE, "keep")))

    assert [(slot["slot"], slot["name"], slot["schema"], slot["on_error"]) for slot in summary["slots"]] == [
        (0, None, None, None),
        (1, None, None, None),
        (2, "prices", "double", "skip"),
    ]
    assert (summary["name"], summary["begin"], summary["end"], summary["timeout_s"]) == ("keep", "begin", None, 5.0)
    assert ([name["name"] for name in summary["state"]], summary["is_stateless"]) == (["seen"], False)
    assert [(note["line"], note["near"]) for note in summary["notes"]] == [(5, "schema.1")]
