"""What an engine and its jets say to each other: frames over two pipes, one each way.

A frame is ``u32 length, u8 kind, body`` (little-endian; the length counts kind and body). Records travel packed, a
batch to a frame, so that a record costs tens of nanoseconds and no system call of its own; everything else is msgpack.

The order of a conversation::

    engine                            jet
    SETUP   the script, its name  ->              (and whether tasks have states of their own)
                                  <-  LOADED, or FAILED
    SLOT    how a slot is coded   ->              (again whenever a stream is attached anew)
    BEGIN                         ->
                                  <-  STATE       of each name of the state, its packed size or why it cannot be kept
                                  <-  OUTPUT      what begin() gave
    RESTORE entries of the state  ->              (of one task: one or more, the last one marked; in place of none,
                                                   nothing is sent; also while batches of other tasks are under way)
                                  <-  RESTORED    the task and how many keys it has, or FAILED
    BATCH   records               ->
                                  <-  OUTPUT      one or more, the last one marked
    COMMIT  its number            ->              (at any place between batches)
                                  <-  CHANGED     one or more, the last one marked: what changed since the last one
    PREDICTORS                    ->              (at any place between batches: asks)
                                  <-  PREDICTORS  (also unasked) what each predictor did since it was loaded
                                  <-  ASK         (within a batch) what a cell holds, or to change one; or a schema
    REPLY                         ->
    FORGET  tasks                 ->              (at any place between batches: their state goes, and is not CHANGED)
    END                           ->
                                  <-  OUTPUT      what end() gave
    STOP                          ->              (or the pipe is closed: the jet exits)

An engine keeps several batches in flight, and answers come in the order of the batches.

A *task* is the number whose state a batch reads and changes: of a stream with partitions the partition's, else 0.
RESTORE says ``[is_last, task, [[key, name, value], ...]]``, RESTORED ``{"task", "n_keys"}``, FORGET ``[task, ...]``;
CHANGED has entries ``[task, key, name, value or None]``. PREDICTORS is a list of what
`engine.inference.Predictor.report` returns.
"""

from engine.channel.cell import Cell, Phase
from engine.channel.failures import Failure, dump_error, load_error
from engine.channel.frames import MAX_FRAME_BYTES, PIPE_BYTES, PROTOCOL_VERSION, FrameReader, Kind, pack_frame
from engine.channel.messages import BatchFrame, LabelPart, OutputFrame, pack_message, unpack_message
from engine.channel.pipe import PipeReader
from engine.channel.schemas import SchemaAnswer

__all__ = [
    "MAX_FRAME_BYTES",
    "PIPE_BYTES",
    "PROTOCOL_VERSION",
    "BatchFrame",
    "Cell",
    "Failure",
    "FrameReader",
    "Kind",
    "LabelPart",
    "OutputFrame",
    "Phase",
    "PipeReader",
    "SchemaAnswer",
    "dump_error",
    "load_error",
    "pack_frame",
    "pack_message",
    "unpack_message",
]
