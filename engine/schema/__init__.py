"""Avro schemas: parsing, checking values, resolution, inference."""

from engine.schema.inference import infer_lines, infer_schema
from engine.schema.json_text import parse_json, write_json
from engine.schema.resolution import Resolver, check_resolution
from engine.schema.schema import Schema, parse_schema
from engine.schema.types import PRIMITIVES
from engine.schema.validation import Extras
from engine.schema.validator import validator
from engine.schema.verification import Verdict, verify_records

__all__ = [
    "PRIMITIVES",
    "Extras",
    "Resolver",
    "Schema",
    "Verdict",
    "check_resolution",
    "infer_lines",
    "infer_schema",
    "parse_json",
    "parse_schema",
    "validator",
    "verify_records",
    "write_json",
]
