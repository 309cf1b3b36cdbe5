"""A script is checked without running it."""

from tests.server.conftest import Ask


def test_a_script_is_told_by_its_slots_state_and_notes(ask: Ask) -> None:
    script = ask("POST", "/models/twice/verify").json()
    assert script["name"] == "twice"
    assert [(slot["slot"], slot["schema"], slot["action"], slot["arity"]) for slot in script["slots"]] == [
        (0, "double", "action", 1),
        (1, "double", None, None),
    ]
    assert (script["state"], script["is_stateless"], script["notes"]) == ([], True, [])


def test_a_script_that_does_not_parse_is_400_with_its_line(ask: Ask) -> None:
    ask("PUT", "/models/broken", content=b"x = 1\ndef action(:\n")
    response = ask("POST", "/models/broken/verify")
    assert (response.status_code, response.json()["line"]) == (400, 2)


def test_a_script_that_names_no_schema_of_the_library_is_404(ask: Ask) -> None:
    ask("PUT", "/models/m", content=b"# engine.schema.0: doubl\n\ndef action(x):\n    return x\n")
    response = ask("POST", "/models/m/verify")
    assert (response.status_code, response.json()["kind"], response.json()["near"]) == (404, "schema", "double")
