from uuid import UUID

import pytest

from engine.channel import Cell, Phase, SchemaAnswer
from engine.errors import SchemaUnknown
from engine.jet.schemas import AskedSchemas

GUID = UUID("89791762-2336-4186-9674-299b90a802e2")


class Engine:
    def __init__(self, answer):
        self.answer, self.asked, self.phases, self.cell = answer, [], [], Cell()
        self.cell.enter(Phase.ACTION, 1)

    def ask(self, message):
        self.asked.append(message)
        self.phases.append(self.cell.phase)
        return self.answer


@pytest.mark.parametrize(("key", "sent"), [(7, 7), (GUID, GUID.bytes)])
def test_the_engine_is_asked_for_the_schema_of_a_slot_and_its_time_does_not_count(key, sent):
    engine = Engine(SchemaAnswer("double").pack())
    assert AskedSchemas(engine.ask, engine.cell, 2).written(key) == "double"
    assert engine.asked == [["schema", 2, sent]]
    assert engine.phases == [Phase.ASK]
    assert engine.cell.phase is Phase.ACTION


def test_the_engine_is_asked_for_what_outputs_are_written_with():
    engine = Engine(SchemaAnswer("double", 5).pack())
    assert AskedSchemas(engine.ask, engine.cell, 1).to_write() == (5, "double")
    assert engine.asked == [["schema", 1, None]]


def test_what_the_engine_could_not_find_is_raised_for_the_record():
    engine = Engine(SchemaAnswer.refuse(SchemaUnknown("http://r", "7", "it has none")))
    with pytest.raises(SchemaUnknown, match="it has none"):
        AskedSchemas(engine.ask, engine.cell, 0).written(7)
