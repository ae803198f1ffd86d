"""Both directions against the zstd program, with its default limits."""

import os
import subprocess

import pytest

from archiver.errors import Damaged
from archiver.formats import frames
from tests.require import require

MIB = 1 << 20


def run(arguments: list[str], data: bytes) -> bytes:
    return subprocess.run(arguments, input=data, capture_output=True, check=True, timeout=120).stdout


@pytest.mark.parametrize("size", [0, 1, 100_000, MIB, 5 * MIB])
def test_the_program_reads_frames_and_passes_over_the_padding(size: int) -> None:
    program = require("zstd")
    parts = [b"first", (os.urandom(1000) * (size // 1000 + 1))[:size], b"last"]
    payload = b"".join(out for part in parts for out in frames.pack([part]))
    payload += frames.padding(len(payload))
    assert run([program, "-d"], payload) == b"".join(parts)
    run([program, "-t"], payload)


def test_the_program_reads_the_widest_window_as_it_is() -> None:
    program = require("zstd")
    block = os.urandom(2 * MIB)
    pieces = [block, bytes(125 * MIB), block, bytes(4 * MIB)]
    frame = b"".join(frames.pack(pieces, window_log=27, far=True))
    assert len(frame) < 2.2 * MIB, "the second block was not found 127 MiB back"
    assert run([program, "-d"], frame) == b"".join(pieces)


def test_we_read_a_frame_of_the_program_that_carries_size_and_checksum() -> None:
    program = require("zstd")
    data = os.urandom(3000) * 100
    frame = run([program, "-3", "--check", f"--stream-size={len(data)}"], data)
    assert frames.unpack(frame, len(data)) == data
    assert b"".join(frames.unpack_stream([frame, frame])) == data + data
    with pytest.raises(Damaged, match="no size"):
        frames.unpack(run([program, "-3", "--check"], data), len(data))
