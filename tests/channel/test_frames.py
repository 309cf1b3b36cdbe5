import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.channel import FrameReader, Kind, pack_frame

frames = st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=300)), max_size=12)


@given(frames, st.data())
def test_frames_come_out_whole_however_the_bytes_are_cut(sent, data):
    stream = b"".join(pack_frame(kind, body) for kind, body in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    reader, got = FrameReader(), []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += [(kind, bytes(body)) for kind, body in reader.feed(stream[start:stop])]
    assert got == sent


@pytest.mark.parametrize("garbage", [b"\0\0\0\0\x01", b"\xff\xff\xff\xff\x01", b"\x01\0\0\0\xfe"])
def test_bytes_that_no_peer_writes_are_refused(garbage):
    with pytest.raises(ValueError, match=r"frame|Kind"):
        FrameReader().feed(garbage)
