"""A year of nights with nobody there: what archiver is for.

Before most nights something has happened on a real Dovecot. Then the jobs run that `archiver schedule` installs, on a
machine whose clock is at that night, and in some nights something is wrong. In the end everything that was on the
server in any good night is in the archive, and each trouble was told once, and its end once.

ARCHIVER_NIGHTS says how many nights (24 if not said, with the same troubles; the year has 365), ARCHIVER_SEED which
year. `-s` shows the figures.
"""

import json
import os
import random
import statistics
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from archiver.errors import Locked, StoreFull
from tests.integration.year.clock import Clock
from tests.integration.year.figures import Figures, Night, open_anew, open_chain
from tests.integration.year.household import LEFT_ON_A_FULL_DISK, Household, Ran, full, small_disk
from tests.integration.year.life import TRASH, Kept, Life
from tests.integration.year.plan import FIRST, YEAR, Trouble, clock_of, is_killed, troubles
from tests.integration.year.tellings import Tellings, mailed
from tests.require import require
from tests.servers.certificate import make_certificate
from tests.servers.dovecot import Dovecot
from tests.servers.listener import Listener
from tests.servers.smtp import Smtp

NIGHTS = int(os.environ.get("ARCHIVER_NIGHTS", "24"))
SEED = int(os.environ.get("ARCHIVER_SEED", "2027"))
MONTH = 30
SATURDAY, SUNDAY = 6, 7
OVERDUE = timedelta(days=3)
REMIND = timedelta(days=7)
OLD_ENOUGH = timedelta(days=60)  # as the household's configuration says to prune

pytestmark = pytest.mark.timeout(120 + NIGHTS * 20)


class Year:
    """A household, a mailbox, and what must be true of both."""

    def __init__(
        self,
        house: Household,
        life: Life,
        rolls: random.Random,
        heard: tuple[Smtp, Listener],
        *,
        fillable: bool,
    ) -> None:
        self.house = house
        self.life = life
        self.smtp, self.listener = heard
        self.rolls = rolls
        self.fillable = fillable
        self.troubles = troubles(NIGHTS)
        self.figures = Figures()
        self.tellings = Tellings()
        self.pulled_at = FIRST  # by its clock, the last that ended well
        self.late: dict[
            str, tuple[datetime, datetime]
        ] = {}  # job -> the first and last that found pulls late
        self.pruned = False  # since the last pull
        self.seen: set[tuple[str, str]] = set()  # folder and SHA-256 of all that was there on a good night
        self.snapshots: dict[int, tuple[datetime, dict[tuple[str, str], str]]] = {}

    def live(self) -> None:
        """Live all nights."""
        for number in range(1, NIGHTS + 1):
            trouble = self.troubles.get(number)
            if trouble is Trouble.FULL and not self.fillable:
                trouble = None
            self.night(number, trouble)

    def night(self, number: int, trouble: Trouble | None) -> None:
        """Live a day and the night after it."""
        at = clock_of(number, trouble)
        evening = FIRST + timedelta(days=number - 1, hours=-1)
        news = self.life.day(number, evening) or self.pruned
        self.pruned = False
        if number % MONTH == 0:
            news |= self.life.empty_trash()
        if trouble in (Trouble.FULL, Trouble.DAYS_BACK, Trouble.WEEKS_AHEAD):
            self.life.arrive(evening, 3)  # there must be something to write
            news = True
        if trouble is Trouble.RENUMBERED:
            self.life.renumber("Archive")
            news = True
        jobs = ["pull"]
        if (
            at.isoweekday() == SATURDAY
        ):  # of each night; on the others this machine sleeps again before its hour
            jobs.append("prune")
        if at.isoweekday() == SUNDAY:
            jobs.append("verify")
        if at.day == 1:
            jobs.append("drill")
        doomed = self.rolls.choice(jobs) if is_killed(number) else None
        for hours, job in enumerate(jobs):
            self.job(number, job, at + timedelta(hours=hours), trouble, news=news, doomed=job == doomed)
        if number % MONTH == 0:
            self.life.check()

    # --- a run --------------------------------------------------------------------------------------

    def job(
        self, number: int, job: str, at: datetime, trouble: Trouble | None, *, news: bool, doomed: bool
    ) -> None:
        """Run a job of the schedule under the trouble of the night, and look at all that came of it."""
        before = self.house.measure()
        told = len(self.smtp.mails)
        kill_after_s = self.figures.usual_s() * self.rolls.uniform(0.1, 1.0) if doomed else None
        ran = self._under(trouble, job, at, kill_after_s)
        self.figures.ran(job, ran)
        heard = mailed(self.smtp.mails[told:])
        about = "prune ann" if job == "prune" else job
        if doomed:
            self.figures.counts["killed" if ran.killed else "ended before the kill"] += 1
        if ran.killed:
            self.tellings.killed(about, heard)
            self.life.wait_until_alone()
        else:
            code = self._code(ran, job, trouble)
            self._hold_to_said(ran, job, at, trouble)
            self.tellings.ended(about, code, heard)
        assert mailed(self.smtp.mails) == self.tellings.expected, (number, job, ran.said)
        if job == "prune":
            self._hold_to_pruned(at, none=ran.exit > 0)
            self.pruned |= ran.killed
        if job == "pull":
            waiting = bool(self.figures.nights) and not self.figures.nights[-1].usual
            self._pulled(number, at, Night(number, news or waiting, ran, before, self.house.measure()))

    def _under(self, trouble: Trouble | None, job: str, at: datetime, kill_after_s: float | None) -> Ran:
        house, life = self.house, self.life
        if trouble is Trouble.DOWN:
            life.sleep()
            life.server.halt()
            try:
                return house.run(job, at, kill_after_s)
            finally:
                life.server.start()
                life.wake()
        if trouble is Trouble.WRONG_PASSWORD:
            house.know_password(right=False)
            try:
                return house.run(job, at, kill_after_s)
            finally:
                house.know_password(right=True)
        if trouble is Trouble.FULL:
            with full(house.archive.parent):
                return house.run(job, at, kill_after_s)
        if trouble is Trouble.HELD and job == "pull":
            return self._run_beside_another(at, kill_after_s)
        return house.run(job, at, kill_after_s)

    def _run_beside_another(self, at: datetime, kill_after_s: float | None) -> Ran:
        """Pull while the pull of the evening still works, which then comes to its end."""
        self.house.hold_back()
        with self.house.begin("pull", at - timedelta(hours=6)) as other:
            self.house.wait_until_held()
            told = len(self.smtp.mails)
            refused = self.house.run("pull", at, kill_after_s)
            if refused.killed:
                self.tellings.killed("pull", mailed(self.smtp.mails[told:]))
            else:
                assert refused.exit == Locked.exit, refused.said
                self.figures.counts["failed"] += 1
                self.tellings.ended("pull", Trouble.HELD, mailed(self.smtp.mails[told:]))
            self.house.let_go()
            return other.end()

    def _code(self, ran: Ran, job: str, trouble: Trouble | None) -> str:
        """Give the code word that the run must have ended with; `done` where it must have ended well."""
        fails = trouble is not None and trouble.fails and trouble is not Trouble.HELD
        if job in ("verify", "drill"):
            fails = False  # they need no server, and write nothing
        if job == "prune" and trouble is Trouble.FULL:
            fails = ran.exit == StoreFull.exit  # if there is something to remove, it is written down first
        self.figures.counts["failed" if fails else "ended well"] += 1
        assert bool(ran.exit) == fails, (job, trouble, ran.exit, ran.said)
        return str(trouble) if fails else "done"

    def _hold_to_said(self, ran: Ran, job: str, at: datetime, trouble: Trouble | None) -> None:
        """A run is quiet, but for its trouble, and for a pull that is overdue."""
        since = at - self.pulled_at
        overdue = [line for line in ran.said.splitlines() if "no pull ha" in line]
        is_late = bool(overdue) if abs(since - OVERDUE) < timedelta(minutes=1) else since > OVERDUE
        is_over = job == "pull" and ran.exit == 0
        assert len(overdue) == self._is_said(job, at, late=is_late, over=is_over), ran.said
        assert trouble is not None or ran.said.splitlines() == overdue, ran.said

    def _is_said(self, job: str, at: datetime, *, late: bool, over: bool) -> bool:
        """Tell whether a run says that pulls are late: once, again each week, and when it is over."""
        if not late or over:
            self.late.pop(job, None)
            return late
        first, last = self.late.get(job, (at, None))
        self.late[job] = (first, at)
        return last is None or (at - first) // REMIND > (last - first) // REMIND

    def _pulled(self, number: int, at: datetime, night: Night) -> None:
        self.figures.nights.append(night)
        if night.usual:
            self.pulled_at = at
            now = {
                (folder, uid): kept.digest
                for folder, messages in self.present.items()
                for uid, kept in messages.items()
            }
            self.seen |= {(folder, digest) for (folder, _), digest in now.items()}
            if number % 12 == 5:
                (manifests,) = self.house.archive.glob("chains/*/manifests")
                self.snapshots[len(list(manifests.iterdir()))] = (at, now)
            assert night.news or night.after == night.before, "a night without news writes something"

    @property
    def present(self) -> dict[str, dict[str, Kept]]:
        """What is on the server."""
        return self.life.present

    def _hold_to_pruned(self, at: datetime, *, none: bool) -> None:
        """Look what a prune has taken away: only what was archived, old, read and not flagged; all else is there."""
        gone, new = self.life.look()
        assert not (gone and none)
        assert all(folder == TRASH for folder, _ in new)
        assert Counter(kept.digest for kept in new.values()) == Counter(kept.digest for kept in gone.values())
        for (folder, _), kept in gone.items():
            assert folder != TRASH
            assert (folder, kept.digest) in self.seen
            assert kept.received < at - OLD_ENOUGH
            assert "\\Seen" in kept.flags
            assert "\\Flagged" not in kept.flags
        self.pruned = bool(gone)
        self.figures.counts["pruned"] += len(gone)


@pytest.fixture
def year(tmp_path: Path) -> Iterator[Year]:
    require("dovecot")
    clock = Clock(tmp_path)
    clock.check(FIRST)
    rolls = random.Random(SEED)
    home = tmp_path / "home"
    home.mkdir()
    with ExitStack() as stack:
        server = Dovecot(("ann",))
        stack.callback(server.stop)
        ends = FIRST + timedelta(days=NIGHTS + 2 * MONTH)
        make_certificate(
            server.base / "server.pem", server.base / "server.key", FIRST - timedelta(days=9), ends
        )
        server.start()
        fillable = stack.enter_context(small_disk(home / "disk"))
        smtp, listener = stack.enter_context(Smtp()), stack.enter_context(Listener())
        house = Household(home, server, "ann", clock)
        house.settle(smtp, listener, layout="mbox")
        life = Life(server, "ann", rolls, FIRST)
        stack.callback(life.sleep)
        yield Year(house, life, rolls, (smtp, listener), fillable=fillable)


def test_the_disk_of_the_year_can_be_filled(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as mounted:
        if not mounted:
            pytest.skip("the year has no nights with a full disk: only root may mount a small one")
        with full(tmp_path / "disk"), pytest.raises(OSError, match="No space left"):
            (tmp_path / "disk" / "more").write_bytes(b"?" * 2 * LEFT_ON_A_FULL_DISK)


def test_a_year_of_nights_loses_nothing_and_tells_each_trouble_once(year: Year, tmp_path: Path) -> None:
    year.live()
    year.life.check()
    end = FIRST + timedelta(days=NIGHTS)
    for hours, job in enumerate(("pull", "prune", "pull", "verify", "drill")):
        year.job(NIGHTS + 1, job, end + timedelta(hours=hours), None, news=True, doomed=False)
    check_archive(year, end)
    check_past(year, end)
    check_told(year)
    check_figures(year, tmp_path / "scratch")


def check_archive(year: Year, at: datetime) -> None:
    """All that was there on a good night is archived, once, and marked where it has vanished since."""
    house = year.house
    held = house.typed("list", "ann", "--no-key", "--json", at=at).document["messages"]
    here = {
        (one["folder"], one["key"]): (one["id"], frozenset(one["flags"])) for one in held if one["on_server"]
    }
    assert here == {
        (folder, uid): (kept.digest, kept.flags)
        for folder, messages in year.present.items()
        for uid, kept in messages.items()
    }
    archived = {(one["folder"], one["id"]) for one in held}
    assert archived >= year.seen
    digests = {digest for _, digest in archived}
    assert digests <= year.life.delivered
    read = house.typed("verify", "--read", "--json", at=at)
    assert read.exit == 0, read.err
    (chain,) = read.document["chains"]
    assert chain["messages"] == len(digests), "each content is stored once"
    compared = house.typed("verify", "--server", "--json", at=at)
    assert compared.exit == 0, compared.err
    counts = year.figures.counts
    counts["messages archived"] = len(digests)
    counts["messages archived that were on the server for no good night"] = len(archived - year.seen)
    counts["vanished"] = sum(not one["on_server"] for one in held)
    counts["objects that killed runs left"] = sum(
        len(finding["objects"]) for finding in chain["findings"] if finding["severity"] != "damage"
    )


def check_past(year: Year, at: datetime) -> None:
    """The mailbox of each night that was noted can be listed as it was then, by run and by time."""
    for seq, (then, messages) in year.snapshots.items():
        for word in (str(seq), (then + timedelta(minutes=30)).isoformat()):
            listed = year.house.typed("list", "ann", "--no-key", "--json", "--as-of", word, at=at)
            assert listed.exit == 0, listed.err
            held = listed.document["messages"]
            assert messages == {(one["folder"], one["key"]): one["id"] for one in held if one["on_server"]}, (
                f"as of {word}"
            )


def check_told(year: Year) -> None:
    """Mail and webhook have told the same: each trouble once, and its end once."""
    posted = [json.loads(body) for path, body in year.listener.heard if path == "/webhook"]
    said = [
        (" ".join([one["command"], *one["accounts"]]), "done" if one["exit"] == 0 else one["code"])
        for one in posted
    ]
    assert mailed(year.smtp.mails) == year.tellings.expected
    assert said == year.tellings.expected
    assert set(dict(said).values()) == {"done"}, "there is a trouble whose end was not told"
    pings = Counter(path for path in year.listener.paths if path.startswith("/ping"))
    counts = year.figures.counts
    ended, ends = counts["ended well"] + counts["failed"], pings["/ping"] + pings["/ping/fail"]
    assert ended <= ends <= ended + counts["killed"], "the dead man's switch hears of each end"
    assert ends <= pings["/ping/start"] <= ended + counts["killed"]
    year.figures.counts |= {"troubles": year.tellings.episodes, "tellings": len(said)}
    year.figures.counts["told again after a kill"] = year.tellings.repeated


def check_figures(year: Year, scratch: Path) -> None:
    """The chain opens by reading a few objects, however long it is; and no night writes more than those before."""
    (state,) = (path.parent for path in year.house.user.home.glob("state/archiver/*/writer.key"))
    opened = open_chain(year.house.archive, state)
    assert opened.reads <= 8
    verified, replayed = open_anew(year.house.archive, state, scratch)
    assert opened.seq == verified.seq == replayed.seq
    figures = year.figures
    if NIGHTS >= YEAR:
        first, last = (
            statistics.mean(
                night.after.metadata - night.before.metadata for night in part if night.usual and night.news
            )
            for part in figures.quarters()
        )
        assert last < first * 1.5
    size = year.house.measure()
    print(f"\n{NIGHTS} nights, seed {SEED}; the disk could be filled: {year.fillable}")
    print(f"mailbox: {dict(year.life.done)}")
    print(f"runs: {dict(figures.counts)}")
    print(
        f"archive: {size.size:,} bytes in {size.objects:,} objects, {size.metadata:,} of manifests and indexes"
    )
    print(figures.table())
    print(f"largest memory: { ({job: f'{rss / 2**20:.0f} MiB' for job, rss in figures.peak.items()}) }")
    for what, one in (("opened", opened), ("opened anew", verified), ("opened anew and replayed", replayed)):
        print(
            f"chain of {one.seq} {what}: {one.seconds:.3f} s ({one.cpu_s:.3f} s of processor), {one.reads:,} reads"
        )
