"""The engine's verbs over HTTP."""

from __future__ import annotations

import dataclasses

import pytest

from engine.errors import InvalidTransition
from engine.runtime import EngineState, JetInfo, PredictorInfo
from tests.server.conftest import Ask
from tests.server.fake_engine import FakeEngine

PREDICTOR = PredictorInfo("lstm.onnx", "onnxruntime", "gpu:0", 2, 128, 0.25, 0.2, 64, 0.5, {64: 2})


def test_the_engine_tells_its_state(ask: Ask) -> None:
    info = ask("GET", "/engine").json()
    assert (info["state"], info["model"]) == ("INIT", None)


@pytest.mark.parametrize(("verb", "state"), [("pause", "PAUSED"), ("unpause", "RUNNING"), ("reset", "INIT")])
def test_a_verb_answers_with_the_engine_after_it(ask: Ask, engine: FakeEngine, verb: str, state: str) -> None:
    response = ask("POST", f"/engine/{verb}")
    assert (response.status_code, response.json()["state"]) == (200, state)
    assert (verb,) in engine.calls


def test_a_verb_that_the_state_forbids_is_409(ask: Ask, engine: FakeEngine) -> None:
    engine.fails["pause"] = InvalidTransition("FINISHED", "pause", ["RUNNING"], "Reset the engine first.")
    response = ask("POST", "/engine/pause")
    assert (response.status_code, response.json()["allowed"]) == (409, ["RUNNING"])


@pytest.mark.parametrize("n_jets", [0, 4])
def test_scale_tells_how_many_have_work(ask: Ask, n_jets: int) -> None:
    reply = ask("POST", "/engine/scale", json={"jets": n_jets}).json()
    assert reply == {"n_jets": n_jets, "n_working": 1, "note": "The others idle."}


def test_a_model_of_the_library_is_loaded_and_unloaded(ask: Ask, engine: FakeEngine) -> None:
    assert ask("GET", "/engine/model").status_code == 404
    assert ask("PUT", "/engine/model", json={"name": "twice"}).json()["model"]["name"] == "twice"
    assert engine.model is not None
    assert set(engine.model.schemas) == {"double"}
    assert ask("GET", "/engine/model").json()["name"] == "twice"
    assert ask("DELETE", "/engine/model").json()["model"] is None


def test_a_model_that_is_not_there_is_404_with_the_nearest(ask: Ask, engine: FakeEngine) -> None:
    response = ask("PUT", "/engine/model", json={"name": "twcie"})
    assert (response.status_code, response.json()["near"]) == (404, "twice")
    assert ("load",) not in [call[:1] for call in engine.calls]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"name": "rest"}, "rest"),
        ({"descriptor": "rest:"}, "rest:"),
        ({"descriptor": '{"Transport": "REST"}'}, ""),
        ({"descriptor": {"Transport": "REST"}}, ""),
    ],
)
def test_a_stream_is_attached_by_name_literal_or_descriptor(
    ask: Ask, engine: FakeEngine, body: dict[str, object], name: str
) -> None:
    assert ask("PUT", "/engine/streams/0", json=body).status_code == 200
    stream = engine.streams[0]
    assert (stream.name, stream.descriptor.transport.type.lower()) == (name, "rest")
    assert [slot["slot"] for slot in ask("GET", "/engine/streams").json()] == [0]
    assert ask("DELETE", "/engine/streams/0").status_code == 200
    assert engine.streams == {}


def test_a_stream_that_the_slot_cannot_have_is_400(ask: Ask, engine: FakeEngine) -> None:
    response = ask("PUT", "/engine/streams/0", json={"descriptor": "discard:"})
    assert response.status_code == 400
    assert engine.streams == {}


def test_a_stream_that_is_not_there_is_404(ask: Ask) -> None:
    assert ask("PUT", "/engine/streams/0", json={"name": "rset"}).json()["near"] == "rest"


def test_a_slot_without_a_stream_is_409_to_detach(ask: Ask) -> None:
    assert ask("DELETE", "/engine/streams/0").status_code == 409


def test_health_is_ok_until_the_engine_is_in_error(ask: Ask, engine: FakeEngine) -> None:
    ask("PUT", "/engine/model", json={"name": "twice"})
    response = ask("GET", "/health")
    health = response.json()
    assert response.status_code == 200
    assert health.pop("uptime_s") >= 0
    assert health.pop("version")
    assert health == {"status": "ok", "state": "INIT", "model": "twice", "error": None, "devices": {}, "jets": []}
    engine.state, engine.error = EngineState.ERROR, "The model's process ended."
    response = ask("GET", "/health")
    assert (response.status_code, response.json()["status"]) == (503, "fail")
    assert response.json()["error"] == "The model's process ended."


def test_health_says_where_predictors_run_and_which_jet_answers_nothing(ask: Ask, engine: FakeEngine) -> None:
    engine.predictors = [PREDICTOR, PredictorInfo("score()", "script", "")]
    engine.jets = [JetInfo(1, 17, "ready", 5, 0, None, 2, 12.5)]
    health = ask("GET", "/health").json()
    assert health["devices"] == {"lstm.onnx": "gpu:0"}
    assert health["jets"] == [{"number": 1, "status": "ready", "silent_s": 12.5}]


def test_the_profile_is_that_of_the_loaded_model(ask: Ask, engine: FakeEngine) -> None:
    assert ask("GET", "/engine/profile").json()["detail"].startswith("No model is loaded.")
    engine.predictors = [PREDICTOR]
    ask("PUT", "/engine/model", json={"name": "twice"})
    profile = ask("GET", "/engine/profile").json()
    assert profile["model"] == "twice"
    assert profile["predictors"] == [dataclasses.asdict(PREDICTOR) | {"calls_by_rows": {"64": 2}}]
    assert profile["action"] == {"count": 128, "total_s": 0.5}


def test_metrics_are_what_prometheus_scrapes(ask: Ask, engine: FakeEngine) -> None:
    response = ask("GET", "/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert "engine_info{version=" in response.text
    openmetrics = ask("GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert not engine.calls  # it keeps its numbers itself
