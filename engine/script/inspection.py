"""Reading a model script without running it."""

from __future__ import annotations

import ast
import hashlib
import tokenize
import warnings
from dataclasses import replace

from engine.errors import AnnotationError, ScriptInvalid
from engine.script.annotations import read_annotations
from engine.script.bindings import module_bindings
from engine.script.comments import count_code_lines, whole_line_comments
from engine.script.description import Note, Script, Slot
from engine.script.hooks import Bindings, action_arity, functions_by_role, optional_hook, setup_arity
from engine.script.keys import read_keys
from engine.script.sharing import SharedUse
from engine.script.slots import SlotMap
from engine.script.state import find_state
from engine.script.unbuilt import refuse_unbuilt_imports


def inspect_script(source: str, name: str, *, is_strict: bool = False) -> Script:
    r"""Return what the text of a model script says; nothing of it is run.

    Parameters
    ----------
    source : str
        The text.
    name : str
        The model's name, for the sentences of errors.
    is_strict : bool
        Whether a line that looks like an annotation and is not one is an error, not a note.

    Raises
    ------
    ScriptInvalid
        It is not Python, or a hook cannot be called the way the engine does.
    HookMissing
        An input slot in use has no action.
    AnnotationError
        An annotation has a wrong value.
    NotBuilt
        The script asks for what the engine cannot do yet.

    Examples
    --------
    >>> script = inspect_script("total = 0\ndef action(x):\n  global total\n  total += x\n  return total", "sum")
    >>> script.slots[0].arity, script.state
    (1, ('total',))
    """
    digest = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
    source = source.removeprefix("\ufeff")
    try:
        tree = _parse(source, name)
        comments = whole_line_comments(source)
        return _describe(source, name, digest, tree, comments, is_strict=is_strict)
    except (tokenize.TokenError, RecursionError, MemoryError) as exc:
        raise ScriptInvalid(name, f"cannot be read as Python: {exc or 'it is nested too deeply'}") from exc


def _parse(source: str, name: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the script, and said when it is imported
            compile(source, name, "exec", dont_inherit=True)  # finds what the grammar lets pass, as a stray `return`
            tree = ast.parse(source, name)
    except SyntaxError as exc:
        raise ScriptInvalid(name, exc.msg, exc.lineno) from exc
    except ValueError as exc:  # a NUL, or half a surrogate pair
        raise ScriptInvalid(name, f"cannot be read as Python: {exc}") from exc
    return tree


def _describe(
    source: str, name: str, digest: str, tree: ast.Module, comments: dict[int, str], *, is_strict: bool
) -> Script:
    annotations = read_annotations(comments, name)
    uses = SharedUse(tree)
    refuse_unbuilt_imports(tree, name, uses)
    slot_map = SlotMap(annotations.lines)
    bindings = module_bindings(tree)
    notes = annotations.notes
    roles = functions_by_role(tree, annotations.roles, notes)
    begin = roles.get("init") or optional_hook("begin", bindings, notes)
    if begin not in (None, "begin") and "begin" in bindings:
        notes.append(Note(bindings["begin"][0].line, f"begin() is not called, since {begin}() has the role 'init'"))
    end = optional_hook("end", bindings, notes)
    if end:
        setup_arity(end, bindings, name)
    slots = {
        number: _slot(number, slot_map, bindings, roles.get("score", "action"), name)
        for number in sorted(slot_map.in_use)
    }
    notes.sort(key=lambda note: note.line)
    if is_strict and notes:
        raise AnnotationError(notes[0].line, notes[0].message, notes[0].near)
    state = find_state(tree, bindings, {slot.action for slot in slots.values() if slot.action}, annotations, uses)
    keys, key_ttl_s = read_keys(
        slot_map, [slot.number for slot in slots.values() if slot.is_input], is_stateful=bool(state.names)
    )
    timeout = annotations.one("timeout")
    return Script(
        name=name,
        source=source,
        digest=digest,
        slots=slots,
        begin=begin,
        begin_arity=setup_arity(begin, bindings, name, may_take_one="init" in roles) if begin else 0,
        end=end,
        on_error={number: slot_map.value("on_error", number) for number, slot in slots.items() if slot.is_input},
        timeout_s=timeout.value if timeout else None,
        keys=keys,
        key_ttl_s=key_ttl_s,
        uses_cells=uses.is_used,
        state_names=state.names,
        unkept=state.unkept,
        shared=state.shared,
        changing=state.changing,
        batched=state.batched,
        modules_attached=tuple(annotations.listed("module-attached")),
        notes=tuple(notes),
        sloc=count_code_lines(source, comments),
    )


def _slot(number: int, slot_map: SlotMap, bindings: Bindings, default_action: str, script: str) -> Slot:
    schema = slot_map.value("schema", number)
    known = Slot(number, slot_map.names.get(number), None if schema == "in-use" else schema)
    if not known.is_input:
        return known
    action = slot_map.value("action", number) or default_action
    return replace(known, action=action, arity=action_arity(action, bindings, script))
