"""The rules of unlocking, in one thread: count a try durably, then compare; destroy at the tenth.

    enrol     open, check the device, hold room for destroying, write
    unlock    open, challenge, signature | wait? | take a try off, durably | compare | reset, or destroy;
              of many at once, each step for all before the next (guesses.py)
    destroy   delete the rows, re-wrap all others under a new epoch key, commit, empty the log, overwrite the
              old key

Each call is whole before the next begins: a share that was destroyed is in no answer made after.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from chappe.relay.shares import disk
from chappe.relay.shares.challenges import Challenges
from chappe.relay.shares.epoch import SECRETS_BYTES, EpochFile, EpochKey
from chappe.relay.shares.folder import DATABASE, EPOCH, HEAD, KEY, RESERVE, lock_folder, prepare
from chappe.relay.shares.guesses import Asked, Outcome, Try, longest_wait, rounds
from chappe.relay.shares.head import Head, rolled_back
from chappe.relay.shares.reserve import Reserve, needed
from chappe.relay.shares.sealed import Opener
from chappe.relay.shares.store import Row, ShareStore, Status, read_status
from chappe.wire.api import GoneShare, HeldShare, SharesHeld, to_base64
from chappe.wire.durable import sync_folder
from chappe.wire.errors import ChappeError, error
from chappe.wire.frames import MAX_ENROLMENT
from chappe.wire.unlock import (
    TRIES,
    Answer,
    Enrolment,
    Guess,
    ServiceKey,
    check_guess,
)
from chappe.wire.wiping import wipe

Clock: TypeAlias = Callable[[], float]

_AUTH_BYTES: Final = 32
_ROOM_FOR_A_ROW: Final = 4
"""Pages by which an enrolment may grow the database."""
_FULL_ATTEMPTS: Final = 5


class Shares:
    """The service on a folder of its own. Every method is for one thread; nothing here waits for a network.

    `clock` is Unix time, `steady` steady seconds. `compared` hears of each comparison before it is made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock = time.time,
        steady: Clock = time.monotonic,
        compared: Callable[[bytes], None] = lambda _device: None,
    ) -> None:
        """Opens the folder, made if it is not there, and finishes what a crash interrupted.

        Raises shares.rolled_back (older than what was last signed, or damaged), storage.locked (another
        process has it), storage.*.
        """
        self._clock = clock
        self._compared = compared
        self._lock = lock_folder(folder)
        try:
            self._open(folder)
        except BaseException:
            os.close(self._lock)
            raise
        self._challenges = Challenges(steady)

    def _open(self, folder: Path) -> None:
        try:
            private = prepare(folder)
            self._opener = Opener(ServiceKey(private))
            self._reserve = Reserve(folder / RESERVE)
            self._epoch = EpochFile(folder / EPOCH)
            self._head = Head(folder / HEAD, private)
        except FileNotFoundError:
            raise rolled_back() from None
        except OSError as problem:
            raise disk.disk_failure(problem) from None
        self._with_room(lambda: self._open_store(folder / DATABASE))
        try:
            self._begin()
        except BaseException:
            self._store.close()
            self._epoch.forget()
            raise

    def _open_store(self, path: Path) -> None:
        self._store = ShareStore(path)

    def _begin(self) -> None:
        """Trust the database, or refuse it; then finish what was under way."""
        if self._store.is_empty:
            if self._head.number != 0:
                raise rolled_back()
            self._store.set_up(self._epoch.first().id)
        behind = self._store.counter() - self._head.number
        if behind not in (0, 1):
            raise rolled_back()
        self._epoch.key(self._store.epoch())
        self._catch_up()
        self._with_room(self._finish_change_of_keys)
        if spent := self._store.spent():
            self.destroy(spent, ordered=False)
        # Without it phones still unlock; none enrols until there is room again.
        with suppress(ChappeError):
            self._hold_reserve()

    def close(self) -> None:
        """Let go of everything."""
        self._store.close()
        self._epoch.forget()
        os.close(self._lock)

    # --- what is asked

    @property
    def public_key(self) -> bytes:
        """The service's X-Wing public key."""
        return self._opener.public

    def status(self) -> Status:
        return self._store.status()

    def held(self, devices: Sequence[bytes]) -> SharesHeld:
        """What is kept of these devices, for a disclosure; of a wrapped share its size and hash."""
        rows = [row for row in map(self._store.row, devices) if row is not None]
        gone = [(device, found) for device in devices if (found := self._store.gone(device)) is not None]
        return SharesHeld(
            [
                HeldShare(
                    to_base64(row.device),
                    to_base64(row.unlock_key),
                    len(row.wrapped),
                    hashlib.sha256(row.wrapped).hexdigest(),
                    row.tries,
                    row.not_before,
                )
                for row in rows
            ],
            [
                GoneShare(to_base64(device), to_base64(found.unlock_key or b""), found.ordered)
                for device, found in gone
            ],
        )

    def challenge(self, device: bytes) -> bytes:
        """32 bytes for one guess within a minute, whether the device is known or not."""
        return self._challenges.new(device)

    def enrol(self, device: bytes, sealed: bytes) -> None:
        """Take a device's share, in place of the one that was there, with all tries. `device` is who asks.

        The same enrolment again changes nothing while it is the newest. Raises unlock.malformed (does not
        open, is another device's, or an old one brought back), signin.revoked (its share was destroyed by
        order), storage.*.
        """
        if len(sealed) > MAX_ENROLMENT:
            raise error("unlock.malformed")
        enrolment = self._opener.enrolment(sealed)
        try:
            self._enrol(device, enrolment, hashlib.sha256(sealed).digest())
        finally:
            wipe(enrolment.auth, enrolment.share)

    def _enrol(self, device: bytes, enrolment: Enrolment, digest: bytes) -> None:
        if enrolment.device != device:
            raise error("unlock.malformed")
        gone = self._store.gone(device)
        if gone is not None and gone.ordered:
            raise error("signin.revoked")
        if self._store.was_enrolled(digest):
            if not self._is_in_force(enrolment):
                raise error("unlock.malformed", "This enrolment was used before; make a new one.")
            return
        self._hold_reserve(_ROOM_FOR_A_ROW)
        clear = bytearray(SECRETS_BYTES)
        try:
            clear[:_AUTH_BYTES], clear[_AUTH_BYTES:] = enrolment.auth, enrolment.share
            wrapped = self._key().wrap(device, enrolment.unlock_key, clear)
        finally:
            wipe(clear)
        row = Row(device, enrolment.unlock_key, wrapped, TRIES, 0)
        self._change(lambda: self._store.put(row, digest))

    def _is_in_force(self, enrolment: Enrolment) -> bool:
        row = self._store.row(enrolment.device)
        if row is None:
            return False
        clear = bytearray(SECRETS_BYTES)
        try:
            self._key().unwrap(row.device, row.unlock_key, row.wrapped, clear)
            with memoryview(clear) as view:
                return hmac.compare_digest(view[_AUTH_BYTES:], enrolment.share)
        finally:
            wipe(clear)

    def unlock(self, device: bytes, sealed: bytes) -> bytes:
        """The sealed answer to a guess.

        Raises, without using a try: unlock.malformed, unlock.bad_challenge, unlock.unknown_device,
        unlock.bad_signature, limit.rate. Raises storage.*: a try may have been used then, nothing is told.
        """
        (outcome,) = self.unlock_all([(device, sealed)])
        if isinstance(outcome, ChappeError):
            raise outcome
        return outcome

    def unlock_all(self, asked: Sequence[Asked]) -> list[Outcome]:
        """As `unlock`, of many that share their durable changes, in their order."""
        outcomes: list[Outcome] = [error("unlock.unavailable")] * len(asked)
        for together in rounds(asked):
            tries: list[Try] = []
            try:
                for place, (device, sealed) in together:
                    try:
                        tries.append(self._admitted(place, device, sealed))
                    except ChappeError as problem:
                        outcomes[place] = problem
                self._judge(tries)
                for one in tries:
                    outcomes[one.place] = one.sealed()
            finally:
                for one in tries:
                    one.wipe()
        return outcomes

    def _admitted(self, place: int, device: bytes, sealed: bytes) -> Try:
        guess = self._opener.guess(sealed)
        try:
            return Try(place, guess, self._admit(device, guess))
        except BaseException:
            wipe(guess.auth, guess.answer_key)
            raise

    def _admit(self, device: bytes, guess: Guess) -> Row | None:
        """The row that a guess is for; None where it was destroyed."""
        if guess.device != device:
            raise error("unlock.malformed")
        self._challenges.check(device, guess.challenge)
        row = self._store.row(device)
        gone = self._store.gone(device) if row is None else None
        key = row.unlock_key if row is not None else gone.unlock_key if gone is not None else None
        if key is None:
            raise error("unlock.unknown_device")
        check_guess(guess, key)
        # Used up only where the signature held: a stranger neither fills the table nor spoils one.
        self._challenges.use(device, guess.challenge)
        return row

    def _judge(self, tries: list[Try]) -> None:
        """Gives each its answer. No device is here twice."""
        now = int(self._clock())
        counted: list[Try] = []
        doomed: list[Try] = []
        # device, tries, not before: what the one change writes before anything is compared
        marks: list[tuple[bytes, int, int]] = []
        waiting: list[Try] = []
        for one in tries:
            row = one.row
            if row is None:
                one.answer = Answer("gone")
            elif row.tries <= 0:
                # The tenth was counted, and destroying did not go through.
                doomed.append(one)
            elif (left := row.not_before - now) > 0:
                # A clock that was set back must not make a wait longer than it ever is.
                wait = min(left, longest_wait(row))
                one.answer = Answer("wait", tries=row.tries, wait=wait)
                if wait < left:
                    marks.append((row.device, row.tries, now + wait))
                    waiting.append(one)
            else:
                one.count(row)
                counted.append(one)
                marks.append((row.device, one.tries, now + one.wait))
        if self._marked(marks, counted + waiting):
            # Durable: from here on a crash costs these tries. Only now is anything compared.
            doomed += self._compare_all(counted)
        self._end(doomed)

    def _marked(self, marks: list[tuple[bytes, int, int]], tries: list[Try]) -> bool:
        """Write the tries of these devices, durably, in one change; where that fails, all of `tries` fail."""
        if not marks:
            return True

        def work() -> None:
            for device, left, not_before in marks:
                self._store.set_tries(device, left, not_before)

        try:
            self._change(work)
        except ChappeError as problem:
            for one in tries:
                one.answer = problem
            return False
        return True

    def _compare_all(self, counted: list[Try]) -> list[Try]:
        """Answer those whose tries were taken off; gives those of which the last one was wrong."""
        doomed: list[Try] = []
        right: list[Try] = []
        for one in counted:
            assert one.row is not None
            self._compared(one.row.device)
            try:
                one.share = self._compare(one.row, one.guess.auth)
            except ChappeError as problem:
                one.answer = problem
                continue
            if one.share is not None:
                one.answer = Answer("open", share=one.share, tries=TRIES)
                right.append(one)
            elif one.tries:
                one.answer = Answer("wrong", tries=one.tries, wait=one.wait)
            else:
                doomed.append(one)
        self._marked([(one.guess.device, TRIES, 0) for one in right], right)
        return doomed

    def _end(self, doomed: list[Try]) -> None:
        if not doomed:
            return
        outcome: Answer | ChappeError = Answer("gone")
        try:
            self.destroy([one.guess.device for one in doomed], ordered=False)
        except ChappeError as problem:
            outcome = problem
        for one in doomed:
            one.answer = outcome

    def _compare(self, row: Row, auth: bytes) -> bytes | None:
        """The share if `auth` is right, in constant time. The caller wipes it."""
        clear = bytearray(SECRETS_BYTES)
        try:
            self._key().unwrap(row.device, row.unlock_key, row.wrapped, clear)
            with memoryview(clear) as view:
                right = hmac.compare_digest(view[:_AUTH_BYTES], auth)
                return view[_AUTH_BYTES:].tobytes() if right else None
        finally:
            wipe(clear)

    # --- destroying

    def destroy(self, devices: Sequence[bytes], *, ordered: bool = True) -> None:
        """Destroy these devices' shares, for good. When it returns, neither the files nor this process hold
        anything that opens them. `ordered`: and none of them may enrol again.

        Works on a full disk, from the reserve. Raises storage.*: it is then to be called again.
        """
        try:
            self._with_room(lambda: self._destroy(devices, ordered))
        finally:
            with suppress(ChappeError):
                self._hold_reserve()

    def _destroy(self, devices: Sequence[bytes], ordered: bool) -> None:
        # What an earlier attempt left undone.
        self._catch_up()
        self._finish_change_of_keys()
        if any(self._store.row(device) is not None for device in devices):
            self._change_keys(devices, ordered)
        elif ordered and any(not self._is_buried(device) for device in devices):
            self._change(lambda: self._bury(devices, ordered))

    def _is_buried(self, device: bytes) -> bool:
        gone = self._store.gone(device)
        return gone is not None and gone.ordered

    def _bury(self, devices: Sequence[bytes], ordered: bool) -> None:
        for device in devices:
            self._store.bury(device, ordered=ordered)

    def _change_keys(self, devices: Sequence[bytes], ordered: bool) -> None:
        old = self._key()
        try:
            new = self._epoch.begin()
        except OSError as problem:
            raise disk.disk_failure(problem) from None

        def work() -> None:
            self._bury(devices, ordered)
            self._rewrap(old, new)
            self._store.set_epoch(new.id)

        self._change(work)
        self._finish_change_of_keys()

    def _rewrap(self, old: EpochKey, new: EpochKey) -> None:
        clear = bytearray(SECRETS_BYTES)
        try:
            for page in self._store.pages_of_rows():
                wrapped = []
                for row in page:
                    old.unwrap(row.device, row.unlock_key, row.wrapped, clear)
                    wrapped.append((row.device, new.wrap(row.device, row.unlock_key, clear)))
                self._store.set_wrapped(wrapped)
        finally:
            wipe(clear)

    def _finish_change_of_keys(self) -> None:
        """Keep the one key that the database names, once that is durable and its log holds nothing else."""
        if not self._epoch.unsettled:
            return
        self._store.empty_log()
        try:
            self._epoch.settle(self._store.epoch())
        except OSError as problem:
            raise disk.disk_failure(problem) from None

    def _with_room(self, work: Callable[[], None]) -> None:
        """Do it; on a full disk, from the reserve. Another program may take the room first: again, then."""
        for attempt in range(_FULL_ATTEMPTS):
            try:
                work()
                return
            except ChappeError as problem:
                if problem.code != "storage.full" or attempt == _FULL_ATTEMPTS - 1:
                    raise
                self._give_up_reserve()

    def _give_up_reserve(self) -> None:
        try:
            self._reserve.give_up()
        except OSError as problem:
            raise disk.disk_failure(problem) from None

    def _hold_reserve(self, more_pages: int = 0) -> None:
        """Raises storage.full: nothing may be enrolled that could not be destroyed."""
        try:
            self._reserve.hold(needed(self._store.pages() + more_pages))
        except OSError as problem:
            raise disk.disk_failure(problem) from None

    # --- durable changes

    def _key(self) -> EpochKey:
        return self._epoch.key(self._store.epoch())

    def _change(self, work: Callable[[], None]) -> None:
        """One transaction, then the head; both durable when it returns. Raises StorageFailure."""
        self._catch_up()
        self._sign(self._store.change(int(self._clock()), work))

    def _catch_up(self) -> None:
        """Never two ahead: a head that could not be written comes first."""
        counter = self._store.counter()
        if counter != self._head.number:
            self._sign(counter)

    def _sign(self, counter: int) -> None:
        try:
            self._head.write(counter)
        except OSError as problem:
            raise disk.disk_failure(problem) from None


def status_of(folder: Path) -> Status:
    """Of a service that may be running. Raises storage.missing."""
    path = folder / DATABASE
    if not path.exists():
        raise error("storage.missing", "There is no share store here; the relay makes one when it starts.")
    return read_status(path)


def reset(folder: Path) -> None:
    """Destroy everything: keys first, overwritten where they are. Raises storage.locked, storage.*."""
    lock = lock_folder(folder)
    try:
        for name in (EPOCH, KEY, HEAD, RESERVE, DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
            with suppress(FileNotFoundError):
                path = folder / name
                if name in (EPOCH, KEY):
                    disk.overwrite(path, 0, bytes(path.stat().st_size))
                path.unlink()
        sync_folder(folder)
    except OSError as problem:
        raise disk.disk_failure(problem) from None
    finally:
        os.close(lock)
