"""The exchange behind every door: one market, the sessions of its clients, its REST.

One task moves the market and hands every client what its streams push; requests are answered
the moment they arrive. Both are synchronous, so the order of the frames of a connection depends
on times only, never on the scheduler.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import attrs
import trio

from ..errors import ConfigError
from .board import MILLISECOND, SECOND, Board
from .clock import Clock
from .connection import Connection, Tamper
from .faults import Ending, Fault, Faults
from .injection import Injector
from .market import Market
from .quota import Quota
from .recorded import Player, Recording
from .session import FrontEnd, Session, split_url

__all__ = ["Exchange", "Response", "Statistics"]

_log = logging.getLogger("trioex.simulator")

_LONGEST_S = 0.5
"""What the market may take of the machine at once, before its time stands still meanwhile."""

Response: TypeAlias = "tuple[int, bytes, float | None]"
"""HTTP status, body, Retry-After in seconds."""


@attrs.frozen
class Statistics:
    """What has happened so far.

    Attributes:
        connections: WebSockets opened; `open_connections` of them are served now.
        frames_sent, bytes_sent: to all clients, answers included.
        requests: text frames of clients.
        gets: REST requests, those of `fetch` included; `gets_rejected` of them were too many for
            the venue's limits, and `bans` times somebody went on all the same.
        slow_clients: clients dropped because they did not read.
        steps, trades: of the market.
    """

    connections: int
    open_connections: int
    frames_sent: int
    bytes_sent: int
    requests: int
    gets: int
    gets_rejected: int
    bans: int
    slow_clients: int
    steps: int
    trades: int


class Exchange:
    """A market or a recording, and everyone who is connected to it.

    Attributes:
        board: the streams, and the symbols the exchange refuses to know.
        injector: the faults that are planned, and those that last.
        snapshot_age: seconds for which a REST book is served again unchanged.
        tamper: see `Simulator.tamper`.
        played: set when the last frame of the recording was sent to a client.
        finished: set when a client has been sent the whole recording and has closed.
    """

    def __init__(
        self,
        front_end: FrontEnd,
        market: Market,
        clock: Clock,
        *,
        seed: int,
        recording: Recording | None,
        pace: float | None,
        faults: Faults | None = None,
        holds: bool = False,
    ) -> None:
        self._holds = holds
        self.played = trio.Event()
        self.front_end = front_end
        self.market = market
        self.board = Board(market)
        self.clock = clock
        self.recording = recording
        self.injector = Injector(faults or Faults(), clock, market, seed)
        self.board.refuses = self.injector.refuses
        self._quota = Quota(front_end.quota)
        self.snapshot_age = 0.0
        self.tamper: Tamper | None = None
        self.finished = trio.Event()
        self._seed = seed
        self._pace = pace
        self._connections: list[Connection] = []
        self._counts: Counter[str] = Counter()
        self._given = 0
        """Frames given to connections."""
        self._snapshots: dict[str, tuple[int, Response]] = {}
        self._answered: Counter[str] = Counter()
        self._now = self._wake = clock.wall
        self._sleep = trio.CancelScope()

    @property
    def connections(self) -> Sequence[Connection]:
        """The connections being served, oldest first."""
        return [connection for connection in self._connections if connection.is_open]

    # Time

    async def run(self) -> None:
        """Move the market and push what is due, for ever."""
        while True:
            now = self._moment()
            began = trio.current_time()
            self._catch_up(now)
            self._slow_down(trio.current_time() - began)
            for connection, session in self._sessions():
                self._expire(connection, session, now)
            self._wake = self._next_wake(now)
            with trio.CancelScope(deadline=self.clock.deadline(self._wake)) as self._sleep:
                await trio.sleep_forever()

    def _slow_down(self, took: float) -> None:
        """Let the exchange's time stand still while a market is too much for the machine.

        Else each time there would be more to catch up with, and nobody else would ever run.
        """
        if took <= _LONGEST_S:
            return
        if not self.clock.lost:
            _log.warning(
                "the market of %d symbols is too fast for this machine: the simulator's time "
                "runs slower; a smaller pace= helps",
                len(list(self.market)),
            )
        self.clock.lost += round((took - _LONGEST_S) * SECOND)

    def _moment(self) -> int:
        """Wall time; it never goes back, and what was due a moment ago is not early."""
        now = self.clock.now()
        # Trio's clock is a float: it may wake the task a nanosecond before its deadline.
        early = 0 < self._wake - now < 1000
        self._now = max(self._now, self._wake if early else now)
        return self._now

    def _catch_up(self, now: int) -> None:
        """Let happen what is due until now, pushes and faults in the order of time."""
        while (at := self.injector.next_at) <= now:
            self._advance(int(at))
            fault = self.injector.take_timed()
            self.apply(fault, self.injector.choose(fault, self.connections), int(at))
        self._advance(now)

    def apply(self, fault: Fault, connections: Sequence[Connection], now: int) -> None:
        """Do a fault to these connections, where it is about connections."""
        self.injector.apply(fault, now, connections)
        for connection in connections:
            if connection.session is not None and not connection.is_open:
                connection.session.close(now)
        self._wake_soon(now)

    def end(self, how: Ending, connections: Sequence[Connection]) -> None:
        """End connections; see `Simulator.disconnect`."""
        self.apply(Fault(how), connections, self._moment())

    def inject(self, fault: Fault) -> None:
        """Do a fault now; see `Simulator.apply`."""
        self.apply(fault, self.injector.choose(fault, self.connections), self._moment())

    def _advance(self, now: int) -> None:
        for push in self.board.advance(now):
            if not push.frames:
                continue
            for connection, session in self._sessions():
                if push.name in session.streams:
                    session.said = push.time
                    connection.push(push.stream, push.frames)
                    self._count(len(push.frames), push.time)

    def _count(self, frames: int, now: int) -> None:
        self._given += frames
        while (fault := self.injector.take_counted(self._given)) is not None:
            self.apply(fault, self.injector.choose(fault, self.connections), now)

    def _sessions(self) -> list[tuple[Connection, Session]]:
        return [(each, each.session) for each in self.connections if each.session is not None]

    def _next_wake(self, now: int) -> int:
        # So often that an idle market never has much to catch up with, and at most once a
        # millisecond, which also bundles the steps of a very fast market.
        wake = now + int(10 * SECOND / max(1.0, self.market.pace))
        for _, session in self._sessions():
            wake = min(wake, session.next_due())
        wake = int(min(wake, self.injector.next_at))
        if self.board:
            wake = min(wake, self.market.next_step, self.board.next_due())
        return max(wake, now + MILLISECOND)

    def _expire(self, connection: Connection, session: Session, now: int) -> None:
        ending = session.ending(now)
        if ending is not None:
            connection.end(ending)

    # Clients

    def refuse(self, symbol: str) -> None:
        """Know a symbol no more; see `Simulator.refuse`."""
        self.board.refused.add(symbol)
        for _, session in self._sessions():
            session.drop(symbol, self._moment())

    def announce_upgrade(self) -> None:
        """Tell everyone that the connection will end; see `Simulator.announce_upgrade`."""
        notice = self.front_end.upgrade_notice
        if notice is None:
            raise ConfigError(f"{self.front_end.exchange} does not announce upgrades")
        for connection in self.connections:
            connection.answer([notice(self._moment())])

    def open(self) -> Connection:
        """Make the connection for a client that is about to shake hands."""
        self._counts["connections"] += 1
        number = self._counts["connections"]
        session = player = None
        if self.recording is None:
            rng = random.Random(f"{self._seed}/connection/{number}")
            session = self.front_end.session(self.board, rng, self._moment())
        elif not self.finished.is_set():
            player = Player(self.recording, self._pace, holds=self._holds, played=self.played)
        return Connection(number, session, player, lambda: self.tamper)

    def opened(self, connection: Connection) -> None:
        """The client's WebSocket is open."""
        self._connections.append(connection)
        self._wake_soon(self._moment())

    def closed(self, connection: Connection) -> None:
        """The client's stream is about to be closed."""
        if connection in self._connections:
            self._connections.remove(connection)
        if connection.session is not None:
            connection.session.close(self._moment())
        self._counts += self._of(connection)
        if connection.played:
            self.finished.set()

    def heard(self, connection: Connection) -> None:
        """The client sent something, if only a ping frame."""
        if connection.session is not None:
            connection.session.heard = self._moment()

    def request(self, connection: Connection, text: str) -> None:
        """Answer a client's request, after everything that happened before it."""
        session = connection.session
        if session is None:
            return
        now = self._moment()
        self._catch_up(now)
        if not connection.is_open:
            return
        answers = session.receive(text, now)
        connection.answer(answers)
        self._count(len(answers), now)
        self._expire(connection, session, now)
        # Something may be due sooner than the task expects.
        self._wake_soon(now)

    def _wake_soon(self, now: int) -> None:
        soon = self.clock.deadline(now + MILLISECOND)
        self._sleep.deadline = min(self._sleep.deadline, soon)

    # REST

    def get(self, target: str) -> Response:
        """Answer a GET."""
        self._counts["gets"] += 1
        now = self._moment()
        self._catch_up(now)
        if self.injector.rejection is not None:
            status, retry_after = self.injector.rejection
            return status, b"{}", retry_after
        path, query = split_url(target)
        if self.recording is None and (refused := self._quota.refuse(path, now)) is not None:
            return refused[0], b"{}", refused[1]
        asked, answer = self._snapshots.get(target, (0, None))
        if answer is not None and now - asked < self.snapshot_age * SECOND:
            return answer
        symbol = self.front_end.book_of(path, query)
        if symbol is not None and self.injector.active("failing_snapshot", symbol) is not None:
            return 500, b"{}", None
        if self.recording is not None:
            body = self.recording.answer(target, self._answered[target])
            self._answered[target] += 1
        else:
            books = self.injector.books(symbol)
            body = self.front_end.rest(books, self.board.refused, path, query, now)
        answer = (404, b"{}", None) if body is None else (*body, None)
        if symbol is not None and answer[0] == 200:
            self._snapshots[target] = now, answer
        return answer

    def lateness(self, target: str) -> float:
        """Seconds for which the answer to a GET is held back."""
        symbol = self.front_end.book_of(*split_url(target))
        fault = None if symbol is None else self.injector.active("late_snapshot", symbol)
        return 0.0 if fault is None else fault.delay

    # Counts

    def statistics(self) -> Statistics:
        """What has happened so far."""
        counts = sum((self._of(each) for each in self._connections), self._counts.copy())
        return Statistics(
            connections=counts["connections"],
            open_connections=len(self.connections),
            frames_sent=counts["frames_sent"],
            bytes_sent=counts["bytes_sent"],
            requests=counts["requests"],
            gets=counts["gets"],
            gets_rejected=self._quota.rejected,
            bans=self._quota.bans,
            slow_clients=counts["slow_clients"],
            steps=self.market.steps,
            trades=self.market.trades,
        )

    def _of(self, connection: Connection) -> Counter[str]:
        return Counter(
            frames_sent=connection.frames_sent,
            bytes_sent=connection.bytes_sent,
            requests=connection.requests_received,
            slow_clients=int(connection.slow),
        )
