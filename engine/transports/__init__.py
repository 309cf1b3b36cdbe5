"""Transports: bytes or raw records in from and out to the world; none knows what the records mean."""

from engine.transports.discard import DiscardSink
from engine.transports.file import FileSink, FileSource
from engine.transports.inline import InlineBytes, InlineRecords
from engine.transports.outbox import Outbox
from engine.transports.rest import Parcel, RestInbox

__all__ = ["DiscardSink", "FileSink", "FileSource", "InlineBytes", "InlineRecords", "Outbox", "Parcel", "RestInbox"]
