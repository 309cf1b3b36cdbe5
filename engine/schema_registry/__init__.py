"""A client of schema registries that speak Confluent's REST interface."""

from engine.schema_registry.connection import Access, RegistryConnection
from engine.schema_registry.registry import Registered, SchemaKey, SchemaRegistry

__all__ = ["Access", "Registered", "RegistryConnection", "SchemaKey", "SchemaRegistry"]
