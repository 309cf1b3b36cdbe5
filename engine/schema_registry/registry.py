"""What a schema registry knows: schemas by their number or GUID, and the versions of subjects."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from engine.errors import RegistryRefused, SchemaInvalid, SchemaMismatch, SchemaUnknown
from engine.schema import Schema, check_resolution, parse_schema
from engine.schema.inlining import inline_schemas
from engine.schema_registry.connection import RegistryConnection

SchemaKey: TypeAlias = int | UUID
"""By what a record names the schema that it was written with."""

MAX_REFERENCES = 100
"""How many schemas one may refer to, over however many corners; more is taken for a mistake."""


class Registered(NamedTuple):
    """A schema of a subject, and its number."""

    id: int
    source: Any


class SchemaRegistry:
    """Finds and registers Avro schemas. Used by one thread at a time.

    Every method raises `RegistryUnreachable` when it may be asked again, and `RegistryRefused` when that is of no use.

    Parameters
    ----------
    connection : RegistryConnection
        Closed with this.
    """

    def __init__(self, connection: RegistryConnection) -> None:
        self._http = connection

    @property
    def name(self) -> str:
        """The address."""
        return self._http.name

    def schema(self, key: SchemaKey) -> Any:
        """Return the JSON value of a schema; what it refers to is put into it.

        Raises
        ------
        SchemaUnknown
            There is none, or it is no Avro schema.
        """
        path = ("schemas", "guids", str(key)) if isinstance(key, UUID) else ("schemas", "ids", key)
        answer = self._http.get(*path)
        if not answer.is_ok:
            raise SchemaUnknown(self.name, str(key), answer.message or "it has none")
        try:
            return self._whole(answer.value)
        except _Unusable as exc:
            raise SchemaUnknown(self.name, str(key), str(exc)) from exc

    def latest(self, subject: str) -> Registered | None:
        """Return the last version of a subject; None where it has none."""
        answer = self._http.get("subjects", subject, "versions", "latest")
        if not answer.is_ok:
            return None
        try:
            return Registered(int(answer.value["id"]), self._whole(answer.value))
        except (_Unusable, LookupError, TypeError, ValueError) as exc:
            raise RegistryRefused(self.name, f"the latest version of subject {subject!r}: {exc}") from exc

    def find(self, subject: str, schema: Schema) -> int | None:
        """Return the number under which a subject has this very schema; None where it has not."""
        answer = self._http.post("subjects", subject, body=_body(schema))
        return self._id_of(answer.value, subject) if answer.is_ok else None

    def register(self, subject: str, schema: Schema) -> int:
        """Return the number of a schema, which becomes a version of the subject if it is none yet.

        Raises
        ------
        RegistryRefused
            The subject does not take it.
        """
        if (number := self.find(subject, schema)) is not None:
            return number
        asked = self._http.post(
            "compatibility", "subjects", subject, "versions", "latest", body=_body(schema), verbose="true"
        )
        if asked.is_ok and asked.value.get("is_compatible") is False:
            messages = asked.value.get("messages") or ()
            raise self._misfit(subject, schema, "; ".join(map(str, messages)))
        answer = self._http.post("subjects", subject, "versions", body=_body(schema))
        if not answer.is_ok:
            raise self._misfit(subject, schema, answer.message)
        return self._id_of(answer.value, subject)

    def _id_of(self, value: Any, subject: str) -> int:
        number = value.get("id") if isinstance(value, dict) else None
        if not isinstance(number, int) or not 0 <= number < 1 << 32:
            raise RegistryRefused(self.name, f"it gave no number for the schema of subject {subject!r}")
        return number

    def _misfit(self, subject: str, schema: Schema, said: str) -> RegistryRefused:
        reason = said.rstrip(".") or self._difference(subject, schema) or "it says no more"
        return RegistryRefused(
            self.name,
            f"subject {subject!r} does not take the schema {str(schema)!r}, which is not compatible with the versions"
            f" that it has: {reason}. Write what they allow, change the subject's compatibility, or name another"
            " Subject",
        )

    def _difference(self, subject: str, schema: Schema) -> str:
        """Say in which way the schema and the subject's latest one do not fit, as far as we can see it."""
        if (latest := self.latest(subject)) is None:
            return ""
        try:
            other = parse_schema(latest.source)
            check_resolution(other, schema)
            check_resolution(schema, other)
        except (SchemaMismatch, SchemaInvalid) as exc:
            return str(exc).rstrip(".")
        return ""

    def _whole(self, value: Any) -> Any:
        """Return the schema that an answer holds, with all that it refers to inside of it."""
        others: dict[tuple[str, int], Any] = {}
        source = self._collect(value, others)
        return inline_schemas(source, others.values())

    def _collect(self, value: Any, others: dict[tuple[str, int], Any]) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("schema"), str):
            raise _Unusable("it was answered without a schema")
        if (kind := value.get("schemaType") or "AVRO") != "AVRO":
            raise _Unusable(f"it is of type {kind}, and avro-registry reads AVRO")
        if rules := _rules(value.get("ruleSet")):
            raise _Unusable(f"it has rules, which this version of the engine does not apply: {', '.join(rules)}")
        for reference in value.get("references") or ():
            try:
                place = str(reference["subject"]), int(reference["version"])
            except (LookupError, TypeError, ValueError) as exc:
                raise _Unusable(f"{reference!r:.200} is no reference to a schema") from exc
            if place in others:
                continue
            if len(others) >= MAX_REFERENCES:
                raise _Unusable(f"it refers to more than {MAX_REFERENCES} schemas")
            others[place] = None  # a circle ends here
            # A version that was deleted since is still what records were written with.
            answer = self._http.get("subjects", place[0], "versions", place[1], deleted="true")
            if not answer.is_ok:
                raise _Unusable(f"it refers to version {place[1]} of subject {place[0]!r}: {answer.message}")
            others[place] = self._collect(answer.value, others)
        try:
            return json.loads(value["schema"])
        except ValueError as exc:
            raise _Unusable(f"it is no JSON: {exc}") from exc

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


class _Unusable(ValueError):
    """What a registry has is nothing that records can be read with; says why, without the final stop."""


def _rules(rule_set: Any) -> list[str]:
    """Return the names of the rules that change or check what a record holds, fields that are encrypted among them."""
    if not isinstance(rule_set, dict):
        return []
    kinds = [rule_set.get(kind) or () for kind in ("domainRules", "encodingRules")]
    return [str(rule.get("name")) for rules in kinds for rule in rules if not rule.get("disabled")]


def _body(schema: Schema) -> dict[str, str]:
    return {"schema": json.dumps(schema.source)}
