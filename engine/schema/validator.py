"""The check of a whole record, ready to be called."""

from __future__ import annotations

from typing import Any

from engine.errors import SchemaMismatch
from engine.schema.scalars import Check, Domain
from engine.schema.schema import Schema
from engine.schema.validation import CheckCompiler, Extras


def validator(
    schema: Schema, *, domain: Domain = "native", finite: bool = False, extras: Extras | None = None
) -> Check:
    """Return a function that returns the checked value, or raises SchemaMismatch with the path to what does not fit.

    Parameters
    ----------
    domain : {"native", "json"}
        ``native``: a value that a script yields. Numpy scalars become Python's, ints become floats where those are
        asked for, bools are not numbers. ``json``: a value of a JSON text, turned into what the script sees: union tags
        taken off, bytes from texts, logical types to dates and decimals. Both fill in defaults and drop fields that the
        schema does not have.
    finite : bool
        Refuse NaN and infinities, as ``json`` always does.
    extras : Extras, optional
        Counts the fields that were dropped.

    Examples
    --------
    >>> from engine.schema import parse_schema
    >>> validator(parse_schema('["null", "double"]'), domain="json")({"double": 2})
    2.0
    """
    check = CheckCompiler(domain, is_finite=finite or domain == "json", extras=extras).check(schema.root)
    if not schema.root.is_container:
        return check

    def check_record(value: Any) -> Any:
        try:
            return check(value)
        except RecursionError as exc:
            raise SchemaMismatch("", str(schema), "a value that is nested too deeply, or holds itself") from exc

    return check_record
