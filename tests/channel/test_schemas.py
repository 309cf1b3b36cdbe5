import pytest

from engine.channel import Cell, Phase, SchemaAnswer
from engine.errors import SchemaUnknown


@pytest.mark.parametrize("source", ["double", {"type": "array", "items": ["null", "long"]}, ["null", "string"], None])
def test_a_schema_and_its_number_come_back_as_they_were(source):
    assert SchemaAnswer.unpack(SchemaAnswer(source, 0xFFFFFFFF).pack()) == SchemaAnswer(source, 0xFFFFFFFF)


def test_what_there_is_instead_of_a_schema_is_raised_where_it_was_asked_for():
    with pytest.raises(SchemaUnknown, match=r"schema 7 .* http://r: it has none") as caught:
        SchemaAnswer.unpack(SchemaAnswer.refuse(SchemaUnknown("http://r", "7", "it has none")))
    assert (caught.value.url, caught.value.key) == ("http://r", "7")


def test_while_the_engine_is_asked_no_record_is_in_work_and_afterwards_the_same_one_is():
    cell = Cell()
    cell.enter(Phase.ACTION, batch=3, slot=2, first_seq=10)
    cell.words[Cell.INDEX] = 4
    with cell.asking():
        assert cell.record is None
        assert "registry" in cell.describe()
    assert cell.record == (2, 14)


def test_a_question_that_is_not_answered_leaves_the_record_in_work():
    cell = Cell()
    cell.enter(Phase.ACTION, batch=3, slot=2, first_seq=10)
    with pytest.raises(KeyboardInterrupt), cell.asking():
        raise KeyboardInterrupt
    assert cell.record == (2, 10)
