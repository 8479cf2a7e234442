"""Witnesses as processes of their own: a head is served when enough of them have seen it grow."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chappe.relay import log_key
from chappe.relay.config import Settings, load_settings
from chappe.relay.log_cosigners import read_witnesses
from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.keys import Signer, VerifierKey
from chappe.tlog.merkle import tree_head
from chappe.tlog.notes import NoteSignature, SignedNote
from chappe.tlog.policy import Policy
from chappe.tlog.view import View
from chappe.tlog.witness import AddCheckpoint
from chappe.wire.errors import BadInput
from tests import zygote
from tests.relay import stores
from tests.relay.log_world import ORIGIN, of_relay
from tests.relay.world import RelayProcess


class WitnessProcess:
    """`chappe witness`. Starts at once, and again on the port it had."""

    def __init__(self, folder: Path, name: str, logs: list[VerifierKey]) -> None:
        self.folder = folder / name
        self.name = name
        self.port = 0
        self._logs = logs
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "chappe.cli.main", "witness", "--name", self.name]
        command += ["--data-dir", str(self.folder), "--listen", f"127.0.0.1:{self.port}"]
        command += [word for key in self._logs for word in ("--log", str(key))]
        said = self.folder.with_suffix(".log")
        with said.open("wb") as log:
            process = zygote.Popen[bytes](
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=zygote.environment(),
            )
        assert process.stdout is not None
        line = process.stdout.readline().decode().strip()
        found = re.search(r"127\.0\.0\.1:(\d+)", said.read_text())
        assert line, said.read_text()
        assert found, said.read_text()
        self.port, self.key, self._process = int(found[1]), VerifierKey.parse(line), process

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=20)
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def signers(data_dir: Path) -> tuple[Signer, ...]:
    data_dir.mkdir()
    return log_key.load(data_dir, ORIGIN, make=True)


@pytest.fixture
def witnesses(tmp_path: Path, signers: tuple[Signer, ...]) -> Iterator[list[WitnessProcess]]:
    keys = [signer.key for signer in signers]
    made = [WitnessProcess(tmp_path, f"w{number}.example", keys) for number in range(2)]
    yield made
    for one in made:
        one.kill()


def noted(size: int, signers: tuple[Signer, ...], word: bytes = b"") -> bytes:
    """A head of the log of `size` entries that these keys sign; another `word`, another past."""
    root = tree_head([word + bytes([number]) for number in range(size)])
    return SignedNote.sign(Checkpoint(ORIGIN, size, root).text(), signers, 1).to_bytes()


async def say(http: httpx.AsyncClient, to: WitnessProcess, old: int, note: bytes) -> httpx.Response:
    return await http.post(f"{to.url}/add-checkpoint", content=AddCheckpoint(old, (), note).to_bytes())


async def until(relay: RelayProcess, size: int) -> View:
    """Until a head of more than `size` entries is served."""
    async with relay.http() as http:
        while True:
            view, _ = await of_relay(http)
            if view.size > size:
                return view
            await asyncio.sleep(0.05)


async def test_a_head_is_served_when_a_quorum_has_seen_it(
    data_dir: Path, witnesses: list[WitnessProcess]
) -> None:
    one, two = witnesses
    given = " ".join(f"{witness.url}={witness.key}" for witness in witnesses)
    relay = RelayProcess(data_dir, witness=given)
    try:
        async with relay.http() as http:
            policy = Policy.parse((await http.get("/v1/tlog/policy")).content)
            assert policy.quorum is not None
            assert policy.quorum.threshold == 2
            assert {str(key) for key in policy.quorum.witnesses()} == {str(one.key), str(two.key)}
            # The policy asks for both: a head with fewer is none.
            first, _ = await of_relay(http)
            assert first.held is not None
            assert {one.key, two.key} <= set(first.held.times)
            await relay.device("ada")
            grown = await until(relay, first.size)
            # One is gone: the last head stands, and the relay says so.
            one.kill()
            await relay.device("ben")
            while "lacks witnesses" not in relay.log:
                await asyncio.sleep(0.05)
            held, _ = await of_relay(http)
            assert held.size == grown.size
            # Killed and started, both go on where they were, and so does the log.
            relay.kill()
            one.start()
            relay.start()
        after = await until(relay, grown.size)
        assert after.held is not None
        assert {one.key, two.key} <= set(after.held.times)
    finally:
        relay.kill()


async def test_a_relay_that_was_brought_back_whole_gets_no_witness(
    tmp_path: Path, data_dir: Path, witnesses: list[WitnessProcess]
) -> None:
    """Database and files from the same copy agree with each other. The witness knows better."""
    one, _ = witnesses
    relay = RelayProcess(data_dir, witness=f"{one.url}={one.key}")
    try:
        await relay.device("ada")
        first = await until(relay, 2)
        relay.stop()
        shutil.copytree(data_dir, tmp_path / "copy")
        bring_back = stores.copy(data_dir)
        relay.start()
        await relay.device("ben")
        await until(relay, first.size)
        relay.stop()
        shutil.rmtree(data_dir)
        shutil.copytree(tmp_path / "copy", data_dir)
        bring_back()
        relay.start()
        assert "another past" in relay.log
        await relay.device("cyd")
        async with relay.http() as http:
            view, _ = await of_relay(http)
        assert view.size == first.size
    finally:
        relay.kill()


async def test_two_histories_at_once_get_one_signature(
    witnesses: list[WitnessProcess], signers: tuple[Signer, ...]
) -> None:
    one, _ = witnesses
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        pasts = [noted(3, signers, bytes([word])) for word in range(8)]
        answers = await asyncio.gather(*(say(http, one, 0, note) for note in pasts))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
        won = next(note for note, answer in zip(pasts, answers, strict=True) if answer.status_code == 200)
        # What it answered it knows after kill -9.
        one.kill()
        one.start()
        told = await say(http, one, 0, noted(4, signers))
        assert (told.status_code, told.text, told.headers["content-type"]) == (409, "3\n", "text/x.tlog.size")
        again = await say(http, one, 3, won)
        assert again.status_code == 200
        line = NoteSignature.parse(again.text.removesuffix("\n"))
        assert one.key in SignedNote(SignedNote.parse(won).text, (line,)).verify([one.key])
        # A head of which nothing shows that it contains the one held.
        assert (await say(http, one, 3, noted(4, signers))).status_code == 422
        # A head that it cannot read is not a log that it never saw.
        (head,) = (one.folder / "witness").iterdir()
        head.write_text("nonsense")
        assert (await say(http, one, 0, noted(5, signers))).status_code == 503


async def test_what_a_witness_refuses(witnesses: list[WitnessProcess], signers: tuple[Signer, ...]) -> None:
    _, two = witnesses
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        # One of the log's two keys is not enough; a key that is not the log's; another log.
        assert (await say(http, two, 0, noted(1, signers[:1]))).status_code == 403
        stranger = Signer.from_seed(ORIGIN, signers[0].key.kind, bytes(32))
        assert (await say(http, two, 0, noted(1, (stranger,)))).status_code == 403
        other = Checkpoint("elsewhere/chappe", 0, tree_head([]))
        note = SignedNote.sign(other.text(), [Signer.from_seed("x", signers[0].key.kind, bytes(32))])
        assert (await say(http, two, 0, note.to_bytes())).status_code == 404
        answer = await http.post(f"{two.url}/add-checkpoint", content=b"old 0\n")
        assert answer.status_code == 400
        assert (await http.post(f"{two.url}/add-checkpoint", content=b"x" * 400_000)).status_code == 413
        assert (await http.get(f"{two.url}/add-checkpoint")).status_code == 405
        assert not any((two.folder / "witness").iterdir())


@pytest.mark.parametrize(
    "given",
    [
        {"witness": "http://w.example"},
        {"witness": "ftp://w.example=KEY"},
        {"witness": "http://w.example/?q=KEY"},
        {"witness": "http://w.example=LOG"},
        {"witness": "http://w.example=KEY http://v.example=KEY"},
        {"witness": "http://w.example=KEY", "quorum": 2},
        {"quorum": 1},
    ],
)
def test_witnesses_that_do_not_fit_stop_the_start(given: dict[str, object]) -> None:
    key = Signer.from_seed("w", log_key.LOG_KINDS[1], bytes(32)).key
    log = Signer.from_seed("w", log_key.LOG_KINDS[0], bytes(32)).key
    if "witness" in given:
        given["witness"] = str(given["witness"]).replace("KEY", str(key)).replace("LOG", str(log))
    with pytest.raises(BadInput):
        load_settings({}, **given)


def test_witnesses_in_the_settings() -> None:
    key = Signer.from_seed("w", log_key.LOG_KINDS[1], bytes(32)).key
    settings: Settings = load_settings({"CHAPPE_WITNESS": f"https://w.example/chappe/={key}"})
    (place,) = read_witnesses(settings.witness)
    assert (place.url, place.key) == ("https://w.example/chappe", key)
