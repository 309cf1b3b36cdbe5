"""The engine's HTTP API as Python objects: what the command line talks through."""

from __future__ import annotations

from engine.client.client import Client
from engine.client.collection import Asset, Collection, Put
from engine.client.verbs import EngineVerbs, Outputs

__all__ = ["Asset", "Client", "Collection", "EngineVerbs", "Outputs", "Put"]
