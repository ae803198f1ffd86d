"""Notes of what is put in: whatever is written, torn off, changed or strewn in, nothing is made up of it."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.accounts.intents import Came, Intents, Sent, looks_of, recognise

MARKS = st.builds(lambda letter, copy: f"{letter * 64}.{copy}", st.sampled_from("abcd"), st.integers(0, 3))
LOOKS = st.sampled_from([looks_of(one) for one in range(4)])
SENT = st.builds(Sent, LOOKS, st.lists(MARKS, max_size=2, unique=True).map(tuple))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("note"), st.dictionaries(MARKS, SENT, min_size=1, max_size=4)),
        st.tuples(st.just("done"), st.lists(MARKS, max_size=4)),
        st.tuples(st.just("again"), st.just(None)),
    ),
    max_size=12,
)


@given(STEPS)
@settings(deadline=None)
def test_what_is_open_is_what_was_sent_and_not_done_however_often_a_process_ends(
    steps: list[tuple[str, object]],
) -> None:
    wanted: dict[str, Sent] = {}
    with TemporaryDirectory() as folder:
        intents = Intents(lambda: Path(folder))
        noted = intents.of("INBOX", "exchange.1").__enter__()
        for what, told in steps:
            noted.begin(["there"])
            if isinstance(told, dict):
                noted.note(told)
                wanted |= told
            elif isinstance(told, list):
                noted.done(told)
                wanted = {mark: one for mark, one in wanted.items() if mark not in told}
            else:
                noted.__exit__(None, None, None)
                assert list(Path(folder).iterdir()) or not wanted
                noted = intents.of("INBOX", "exchange.1").__enter__()
            assert noted.open == wanted
            assert what != "note" or not noted.is_new("there")
        noted.__exit__(None, None, None)


@given(st.dictionaries(MARKS, SENT, min_size=1, max_size=6), st.data())
@settings(deadline=None)
def test_text_that_was_torn_changed_or_strewn_in_makes_nothing_up(
    sent: dict[str, Sent], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        warnings: list[str] = []
        intents = Intents(lambda: Path(folder), warnings.append)
        with intents.of("INBOX", "exchange.1") as noted:
            noted.begin(["there"])
            for mark, one in sent.items():
                noted.note({mark: one})
        path = Path(folder) / "exchange.1.jsonl"
        raw = path.read_bytes()
        at, end = sorted([data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, len(raw)))])
        path.write_bytes(raw[:at] + data.draw(st.binary(max_size=40)) + raw[end:])
        with intents.of("INBOX", "exchange.1") as noted:
            assert noted.open.items() <= sent.items()
            assert not noted.open or not noted.is_new("there")


@given(
    st.dictionaries(MARKS, SENT, max_size=8),
    st.lists(st.builds(Came, st.uuids().map(str), LOOKS, st.frozensets(MARKS, max_size=2)), max_size=8),
)
def test_no_item_is_taken_twice_nor_for_what_it_does_not_look_like(
    sent: dict[str, Sent], came: list[Came]
) -> None:
    found = recognise(sent, came)
    by_id = {one.id: one for one in came}
    assert len(set(found.values())) == len(found)
    for mark, key in found.items():
        assert by_id[key].looks == sent[mark].looks
        assert all(worn in {each for one in sent.values() for each in one.worn} for worn in by_id[key].marks)
