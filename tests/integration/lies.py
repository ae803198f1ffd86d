"""The lies of a server, each as what it does to a script."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

from tests.integration.adversary import BASE, LIMIT, Script, date_text
from tests.servers.lying_double import Held
from tests.servers.stateful_double import Box, all_marked, nothing

Lie: TypeAlias = Callable[[Script], None]
LIES: dict[str, Lie] = {}

MOMENT = rb"UID (MOVE|COPY|STORE|EXPUNGE)"
COMMANDS = [
    rb"AUTHENTICATE",
    rb"EXAMINE",
    rb"SELECT",
    rb"NOOP",
    rb"UID FETCH \S+ \(UID FLAGS INT",
    rb"UID FETCH \S+ \(UID\)",
    rb"UID FETCH 1:\*",
    rb"UID FETCH .*BODY",
    rb"UID MOVE",
    rb"UID COPY",
    rb"UID STORE \S+ \+",
    rb"UID STORE \S+ -",
    rb"UID EXPUNGE",
]
STAND_IN = (
    b'From: "Microsoft Exchange Server"\r\n'
    b"Subject: Retrieval using the IMAP4 protocol failed for the following message: %d\r\n\r\n"
    b'The server couldn\'t retrieve the following message:\r\n\r\nSubject: "x"\r\n'
)


def lie(do: Lie) -> Lie:
    """Take a lie into the list, under its name."""
    LIES[do.__name__.replace("_", " ")] = do
    return do


@lie
def none_at_all(script: Script) -> None:
    """An honest server."""


# --- sizes and dates --------------------------------------------------------------------------------------


@lie
def sizes_with_a_constant_offset(script: Script) -> None:
    offset = script.random.choice([-20, 1, 1024])
    script.double.size_lie = lambda uid, mail: max(0, len(mail.raw) + offset)


@lie
def sizes_that_drift_between_sessions(script: Script) -> None:
    double, some = script.double, script.random.random()
    double.size_lie = lambda uid, mail: len(mail.raw) + (double.sessions if uid % 3 == 0 or some < 0.2 else 0)


@lie
def sizes_of_zero(script: Script) -> None:
    script.double.size_lie = lambda uid, mail: 0


@lie
def huge_sizes(script: Script) -> None:
    script.double.size_lie = lambda uid, mail: 2**62 + uid


@lie
def dates_that_are_wrong_the_same_way_always(script: Script) -> None:
    script.double.date_lie = lambda uid, mail: date_text(mail.at - timedelta(days=500))


@lie
def dates_that_drift_between_sessions(script: Script) -> None:
    double = script.double
    double.date_lie = lambda uid, mail: date_text(mail.at - timedelta(days=double.sessions * (uid % 4)))


@lie
def dates_that_are_none(script: Script) -> None:
    texts = ["", "32-Foo-0000 99:99:99 +9999", " 1-Jan-0001 00:00:00 +0000"]
    script.double.date_lie = lambda uid, mail: mail.date if uid % 3 else texts[uid % 2]


@lie
def all_of_one_size_and_date(script: Script) -> None:
    script.double.size_lie = lambda uid, mail: 1024
    script.double.date_lie = lambda uid, mail: date_text(LIMIT - timedelta(days=900))


# --- other messages under old names -----------------------------------------------------------------------


def reuse(script: Script, *, alike: bool) -> None:
    """Give UIDs of messages to others; `alike` in size and date as the server names them."""
    for uid in script.some(6):
        if uid not in script.inbox.mails:
            continue
        old = script.inbox.mails[uid]
        assert isinstance(old, Held)
        new = script.new(old.at if alike else None, old.flags)
        if alike:
            new.raw = (new.raw * 2 + b"x" * len(old.raw))[: len(old.raw)]
            new.raw = b"%08d" % script.number + new.raw[8:]
        script.double.hold("INBOX", new, uid)


@lie
def uids_used_again_before_the_plan(script: Script) -> None:
    script.at_plan.append(lambda: reuse(script, alike=False))


@lie
def uids_used_again_before_the_removal(script: Script) -> None:
    script.at_removal.append(lambda: reuse(script, alike=False))


@lie
def uids_used_again_in_the_moment(script: Script) -> None:
    script.double.before.append((MOMENT, lambda: reuse(script, alike=False)))


@lie
def content_swapped_before_the_plan(script: Script) -> None:
    script.at_plan.append(lambda: reuse(script, alike=True))


@lie
def content_swapped_before_the_plan_with_refetch(script: Script) -> None:
    script.refetch()
    script.at_plan.append(lambda: reuse(script, alike=True))


@lie
def content_swapped_before_the_removal(script: Script) -> None:
    script.at_removal.append(lambda: reuse(script, alike=True))


# --- UIDVALIDITY ------------------------------------------------------------------------------------------


def renumber(script: Script, to: int | None = None) -> None:
    """Number the folder anew: other UIDs, in part those that other messages had."""
    box = script.inbox
    mails = list(box.mails.values())
    script.random.shuffle(mails)
    box.uidvalidity = to or box.uidvalidity + 1
    box.mails.clear()
    box.uidnext = 0
    uids = script.random.sample(range(1, 2 * len(mails) + 2), len(mails))
    for uid, one in zip(sorted(uids), mails, strict=True):
        assert isinstance(one, Held)
        script.double.hold("INBOX", one, uid)


@lie
def renumbered_before_the_plan(script: Script) -> None:
    script.at_plan.append(lambda: renumber(script))


@lie
def renumbered_before_the_removal(script: Script) -> None:
    script.at_removal.append(lambda: renumber(script))


@lie
def renumbered_between_look_and_removal(script: Script) -> None:
    script.at_removal.append(lambda: script.double.before.append((rb"SELECT", lambda: renumber(script))))


@lie
def renumbered_in_the_moment(script: Script) -> None:
    script.double.before.append((MOMENT, lambda: renumber(script)))


@lie
def renumbered_after_the_command(script: Script) -> None:
    script.double.after.append((MOMENT, lambda: renumber(script)))


@lie
def renumbered_and_back_to_the_old_value(script: Script) -> None:
    old = script.inbox.uidvalidity
    script.at_plan.append(lambda: renumber(script))

    def back() -> None:
        renumber(script, old)

    script.at_removal.append(back)


@lie
def renumbered_with_a_pull_between_and_back_to_the_old_value(script: Script) -> None:
    old = script.inbox.uidvalidity

    def forth() -> None:
        renumber(script)
        script.at_pull.append(lambda: renumber(script, old))

    script.at_removal.append(forth)


# --- bodies -----------------------------------------------------------------------------------------------


@lie
def stand_ins_for_bodies(script: Script) -> None:
    script.double.body_lie = lambda uid, mail: STAND_IN % uid if uid % 4 == 0 else mail.raw


@lie
def bodies_of_others_at_the_pull(script: Script) -> None:
    double = script.double
    double.body_lie = lambda uid, mail: b"Subject: another\r\n\r\n%d\r\n" % uid if uid % 5 == 0 else mail.raw
    script.at_plan.append(lambda: setattr(double, "body_lie", lambda uid, mail: mail.raw))


# --- others at work ---------------------------------------------------------------------------------------


def others_take(script: Script) -> None:
    """Let another client expunge and move."""
    box, trash = script.inbox, script.double.boxes["Trash"]
    for uid in script.some(6):
        one = box.mails.pop(uid, None)
        if one is not None and uid % 2:
            trash.put(one)


def others_mark(script: Script) -> None:
    """Let another client set and take off marks."""
    for uid in script.some(8):
        if uid in script.inbox.mails:
            script.inbox.mails[uid].flags = script.random.choice(
                ["\\Seen \\Flagged", "", "\\Draft \\Seen", "\\Seen \\Deleted", "\\Seen", "\\Flagged"]
            )


@lie
def others_take_before_the_plan(script: Script) -> None:
    script.at_plan.append(lambda: others_take(script))


@lie
def others_take_before_the_removal(script: Script) -> None:
    script.at_removal.append(lambda: others_take(script))


@lie
def others_take_between_look_and_removal(script: Script) -> None:
    script.at_removal.append(lambda: script.double.before.append((rb"SELECT", lambda: others_take(script))))


@lie
def others_take_in_the_moment(script: Script) -> None:
    for _ in range(3):
        script.double.before.append((MOMENT, lambda: others_take(script)))


@lie
def others_mark_before_the_removal(script: Script) -> None:
    script.at_removal.append(lambda: others_mark(script))


@lie
def others_mark_between_look_and_removal(script: Script) -> None:
    script.at_removal.append(lambda: script.double.before.append((rb"SELECT", lambda: others_mark(script))))


@lie
def others_mark_in_the_moment(script: Script) -> None:
    for _ in range(3):
        script.double.before.append((MOMENT, lambda: others_mark(script)))


@lie
def mail_comes_in_all_the_time(script: Script) -> None:
    for pattern in COMMANDS * 2:
        script.double.before.append((pattern, script.deliver))


# --- what a server cannot, or does not say ------------------------------------------------------------------


@lie
def no_uidplus(script: Script) -> None:
    script.double.capabilities = f"{BASE} MOVE"


@lie
def no_move(script: Script) -> None:
    script.double.capabilities = f"{BASE} UIDPLUS"
    script.expunges = False


@lie
def neither(script: Script) -> None:
    script.double.capabilities = BASE


@lie
def opened_read_only(script: Script) -> None:
    script.at_removal.append(lambda: setattr(script.inbox, "read_only", True))


@lie
def counts_that_are_wrong(script: Script) -> None:
    chosen = script.random
    script.double.exists_lie = lambda count: count + (chosen.randint(-5, 5) if chosen.random() < 0.5 else 0)


@lie
def rows_in_any_order(script: Script) -> None:
    script.double.shuffled = script.random


@lie
def rows_that_nobody_asked_for(script: Script) -> None:
    script.double.strangers = script.random.randint(1, 3)


@lie
def rows_that_are_missing(script: Script) -> None:
    def hide() -> None:
        script.double.hides |= set(script.some(3))

    script.at_plan.append(hide)
    script.at_removal.append(hide)


@lie
def rows_without_sense(script: Script) -> None:
    script.at_removal.append(lambda: script.double.garbles.update(script.some(3)))


@lie
def expunges_that_are_never_told(script: Script) -> None:
    script.double.tells_expunges = False


@lie
def expunges_that_are_told_late(script: Script) -> None:
    script.double.tells_late = True


# --- what a server does amiss -------------------------------------------------------------------------------


@lie
def an_expunge_that_takes_all_that_is_marked(script: Script) -> None:
    script.double.capabilities = f"{BASE} UIDPLUS"
    script.double.expunges = all_marked
    others = [script.deliver(script.new(flags="\\Seen \\Deleted")) for _ in range(2)]
    if script.random.random() < 0.5:
        script.at_plan.append(lambda: script.inbox.mark(*(set(others) & set(script.inbox.mails))))


@lie
def marks_that_expunge_at_once(script: Script) -> None:
    script.double.expunges_on_store = True
    script.double.capabilities = f"{BASE} UIDPLUS"


@lie
def moves_that_lose_the_uid_of_the_copy(script: Script) -> None:
    script.double.copyuid = lambda pairs: []


@lie
def moves_that_do_nothing(script: Script) -> None:
    script.double.moves = nothing
    script.double.expunges = nothing


@lie
def moves_of_half(script: Script) -> None:
    script.double.moves = lambda box, uids: uids[::2]
    script.double.expunges = lambda box, uids: uids[::2]
    script.double.stores = lambda box, uids: uids[: len(uids) // 2 + 1]


@lie
def moves_of_one_more(script: Script) -> None:
    chosen, double = script.random, script.double

    def more(box: Box, uids: list[int]) -> list[int]:
        others = [uid for uid in box.mails if uid not in uids]
        return [*uids, *chosen.sample(others, min(1, len(others)))]

    double.moves = double.expunges = more


@lie
def copies_of_nothing(script: Script) -> None:
    script.double.capabilities = f"{BASE} UIDPLUS"
    script.expunges = False
    script.double.copies = nothing


@lie
def copyuids_that_lie(script: Script) -> None:
    script.double.capabilities = f"{BASE} UIDPLUS"
    script.expunges = False
    how = script.random.choice(["turned", "twice", "others", "short"])
    script.double.copyuid = {
        "turned": lambda pairs: [(there, here) for here, there in pairs],
        "twice": lambda pairs: pairs + pairs[:1],
        "others": lambda pairs: [(here + 1, there) for here, there in pairs],
        "short": lambda pairs: pairs[:1],
    }[how]


@lie
def a_line_that_drops_before_it_is_heard(script: Script) -> None:
    chosen = script.random.sample(COMMANDS, 3)
    script.at_removal.append(lambda: script.double.drops_before.extend(chosen))
    script.double.drops_before.append(script.random.choice(COMMANDS))


@lie
def a_line_that_drops_after_it_is_done(script: Script) -> None:
    chosen = script.random.sample(COMMANDS, 3)
    script.at_removal.append(lambda: script.double.drops_after.extend(chosen))
    script.double.drops_after.append(script.random.choice(COMMANDS))


@lie
def a_line_that_drops_again_and_again(script: Script) -> None:
    chosen = [script.random.choice(COMMANDS[3:]) for _ in range(14)]
    script.at_removal.append(lambda: script.double.drops_after.extend(chosen))


@lie
def several_at_once(script: Script) -> None:
    names = [name for name in LIES if name != "several at once"]
    for name in script.random.sample(names, script.random.randint(2, 4)):
        LIES[name](script)
