"""What no route takes is refused with a hint, and every route is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.server.conftest import Ask


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/scor", "/score"),
        ("/model", "/models"),
        ("/model/lstm", "/models/lstm"),
        ("/engine/unpuase", "/engine/unpause"),
        ("/engine/stream/0", "/engine/streams/0"),
        ("/xyzzy/plugh/quux", None),
    ],
)
def test_an_unknown_path_is_404_with_the_nearest(ask: Ask, path: str, near: str | None) -> None:
    response = ask("GET", path)
    assert (response.status_code, response.json()["near"]) == (404, near)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/score", ["POST"]),
        ("PUT", "/input/0", ["POST"]),
        ("POST", "/output/1", ["GET"]),
        ("POST", "/models/m", ["DELETE", "GET", "PUT"]),
        ("GET", "/engine/pause", ["POST"]),
    ],
)
def test_a_wrong_method_is_405_with_the_right_ones(ask: Ask, method: str, path: str, allowed: list[str]) -> None:
    response = ask(method, path)
    assert (response.status_code, response.json()["allowed"]) == (405, allowed)
    assert response.headers["Allow"] == ", ".join(allowed)


@pytest.mark.parametrize(
    ("method", "path", "body", "where"),
    [
        ("POST", "/engine/scale", {"jets": -1}, "body.jets"),
        ("POST", "/engine/scale", {"jets": "many"}, "body.jets"),
        ("POST", "/engine/scale", {"jets": 1, "jest": 2}, "body.jest"),
        ("PUT", "/engine/model", {}, "body.name"),
        ("PUT", "/engine/streams/0", {}, "body"),
        ("PUT", "/engine/streams/0", {"name": "a", "descriptor": "rest:"}, "body"),
        ("PUT", "/engine/streams/zero", {"name": "a"}, "path.slot"),
        ("POST", "/input/zero", {}, "path.slot"),
        ("GET", "/output/-1", None, "path.slot"),
        ("GET", "/streams/rest/sample?count=0", None, "query.count"),
    ],
)
def test_a_wrong_request_is_400_and_says_where(ask: Ask, method: str, path: str, body: object, where: str) -> None:
    response = ask(method, path, json=body)
    assert (response.status_code, response.json()["path"]) == (400, where)


def test_a_body_that_is_not_json_is_400(ask: Ask) -> None:
    headers = {"Content-Type": "application/json"}
    assert ask("PUT", "/engine/model", content=b"{", headers=headers).status_code == 400
    assert ask("PUT", "/engine/model", content=b"\xff", headers=headers).status_code == 400


def test_every_route_is_documented(ask: Ask) -> None:
    paths = ask("GET", "/openapi.json").json()["paths"]
    assert {"/score", "/predict", "/input/{slot}", "/output/{slot}", "/health", "/metrics"} <= set(paths)
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["tags"], (method, path)
            assert "HTTPValidationError" not in str(operation["responses"]), (method, path)


def test_the_parameters_of_the_hot_path_are_documented(ask: Ask) -> None:
    paths = ask("GET", "/openapi.json").json()["paths"]
    names = {parameter["name"] for parameter in paths["/output/{slot}"]["get"]["parameters"]}
    assert names == {"slot", "after", "limit", "wait"}
    names = {parameter["name"] for parameter in paths["/score"]["post"]["parameters"]}
    assert names == {"input", "output", "timeout", "Idempotency-Key"}
    names = {parameter["name"] for parameter in paths["/input/{slot}"]["post"]["parameters"]}
    assert names == {"slot", "Idempotency-Key"}


def test_the_documentation_needs_no_other_server(ask: Ask) -> None:
    page = ask("GET", "/docs").text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links
    for link in links:
        assert link.startswith("/")
        assert ask("GET", link).status_code == 200


def test_the_root_leads_to_the_documentation(ask: Ask) -> None:
    assert ask("GET", "/").headers["Location"] == "/docs"


def test_every_documented_route_is_in_the_manual(ask: Ask) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "http.md").read_text()
    families = ("/schemas", "/streams", "/attachments/{model}")  # described as being like /models
    for path in ask("GET", "/openapi.json").json()["paths"]:
        same = next(("/models" + path.removeprefix(family) for family in families if path.startswith(family)), path)
        assert f"{path}`" in manual or f"{same}`" in manual, path
