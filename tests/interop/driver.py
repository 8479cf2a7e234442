"""ts-mls, the phone's engine, in a Node process: what the interoperation tests talk to.

    with TsMls.start() as ts:
        ts.client("ann", suite=1, identity=b"ann")
        ts.create("ann", "g", group_id=b"1")

A client and its groups are held in the process, under names. Bytes in and bytes out; messages are whole
MLSMessages. What each operation does stands in node/ops.mjs, the quirks of ts-mls in node/driver.mjs.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Self, TypeAlias

NODE_DIR = Path(__file__).parent / "node"
STDERR_LINES = 40
MIN_NODE = 20

ProposalKind: TypeAlias = Literal["add", "remove", "update", "psk"]


class TsMlsError(Exception):
    """ts-mls, or the driver, refused an operation; nothing held has changed. `type` is the JavaScript class:
    ValidationError, CryptoVerificationError, CryptoError, CodecError, UsageError, InternalError of ts-mls;
    ReferenceError and TypeError of the driver for a name or value that does not fit."""

    def __init__(self, type_: str, message: str) -> None:
        super().__init__(f"{type_}: {message}")
        self.type = type_
        self.message = message


class DriverGone(Exception):
    """The process ended, or did not answer in time. The text holds the end of what it wrote to stderr."""


@dataclass(frozen=True, slots=True)
class TsMember:
    leaf: int
    identity: bytes
    signature_key: bytes


@dataclass(frozen=True, slots=True)
class TsProposal:
    """`type` as RFC 9420 names it; `sender` a leaf index, None for one from outside the group."""

    type: str
    sender: int | None


@dataclass(frozen=True, slots=True)
class TsState:
    group_id: bytes
    epoch: int
    epoch_authenticator: bytes
    tree_hash: bytes
    own_leaf: int
    active: bool
    pending_proposals: tuple[TsProposal, ...]
    members: tuple[TsMember, ...]


@dataclass(frozen=True, slots=True)
class TsCommit:
    """Under way until `adopt` or `discard`."""

    message: bytes
    welcome: bytes | None
    epoch: int


@dataclass(frozen=True, slots=True)
class TsApplication:
    data: bytes
    aad: bytes


@dataclass(frozen=True, slots=True)
class TsProposalReceived:
    proposal: TsProposal
    aad: bytes


@dataclass(frozen=True, slots=True)
class TsCommitApplied:
    """`committer` is None for an external commit."""

    committer: int | None
    proposals: tuple[TsProposal, ...]
    state: TsState
    aad: bytes


TsReceived: TypeAlias = TsApplication | TsProposalReceived | TsCommitApplied


def missing() -> str | None:
    """Why the driver cannot run here; None if it can."""
    if shutil.which("node") is None:
        return "no node in the path"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < MIN_NODE:
        return f"node {version} is older than {MIN_NODE}"
    if not (NODE_DIR / "node_modules" / "ts-mls").is_dir():
        return "ts-mls is not installed: make test does it, or npm ci --prefix tests/interop/node"
    return None


class TsMls:
    """One driver process. Not for several threads at once."""

    def __init__(self, process: subprocess.Popen[str], timeout: float) -> None:
        self._process = process
        self._timeout = timeout
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._stderr: list[str] = []
        self._next_id = 0
        assert process.stdout is not None
        assert process.stderr is not None
        self._threads = [
            threading.Thread(target=self._read_answers, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._read_stderr, args=(process.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @classmethod
    def start(cls, *, mended: bool = True, timeout: float = 30.0) -> Self:
        """`mended`: with the corrections of node/mends.mjs; otherwise ts-mls as published. `timeout` is for
        each request, in seconds. Raises FileNotFoundError without Node."""
        command = ["node", str(NODE_DIR / "driver.mjs"), *(["--mended"] if mended else [])]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NODE_NO_WARNINGS": "1"},
        )
        return cls(process, timeout)

    def close(self) -> None:
        """End the process and wait for it. More than once does no harm."""
        process = self._process
        try:
            if process.stdin is not None and not process.stdin.closed:
                process.stdin.close()
            process.wait(timeout=20)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            process.kill()
            process.wait()
        for thread in self._threads:
            thread.join(timeout=20)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(self, op: str, **args: Any) -> dict[str, Any]:
        """One operation; bytes become hex, None is left out. Gives the `ok` of the answer.
        Raises TsMlsError, DriverGone."""
        self._next_id += 1
        fields = {name: _to_json(value) for name, value in args.items() if value is not None}
        line = json.dumps({"id": self._next_id, "op": op, **fields})
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            answer = self._answers.get(timeout=self._timeout)
        except queue.Empty:
            raise self._gone(op, f"no answer within {self._timeout} s") from None
        except (OSError, ValueError):
            raise self._gone(op, "the process is gone") from None
        if answer is None:
            raise self._gone(op, "the process ended")
        found = json.loads(answer)
        if found["id"] != self._next_id:
            raise self._gone(op, f"an answer to request {found['id']}")
        if "error" in found:
            raise TsMlsError(found["error"]["type"], found["error"]["message"])
        ok: dict[str, Any] = found["ok"]
        return ok

    # Clients ----------------------------------------------------------------------------------------

    def client(self, client: str, *, suite: int, identity: bytes) -> bytes:
        """A new client with a basic credential; gives its signature key. Takes the place of an old one."""
        return _bytes(self.request("client", client=client, suite=suite, identity=identity), "signature_key")

    def add_psk(self, client: str, psk_id: bytes, secret: bytes) -> None:
        """An external PSK that the client knows from now on."""
        self.request("psk", client=client, psk_id=psk_id, secret=secret)

    def key_package(self, client: str, *, last_resort: bool = False) -> bytes:
        return _bytes(self.request("key_package", client=client, last_resort=last_resort), "message")

    def drop(self, client: str, group: str | None = None) -> None:
        """Forget the group, or the whole client."""
        self.request("drop", client=client, group=group)

    # Founding and joining ---------------------------------------------------------------------------

    def create(self, client: str, group: str, *, group_id: bytes) -> TsState:
        return _state(self.request("create", client=client, group=group, group_id=group_id))

    def join(self, client: str, group: str, welcome: bytes) -> TsState:
        """By a Welcome with the tree inside, for one of the client's key packages."""
        return _state(self.request("join", client=client, group=group, welcome=welcome))

    def external_join(
        self, client: str, group: str, group_info: bytes, *, resync: bool = False, aad: bytes = b""
    ) -> bytes:
        """The external commit (a PublicMessage); then `adopt` or `discard`."""
        answer = self.request(
            "external_join", client=client, group=group, group_info=group_info, resync=resync, aad=aad
        )
        return _bytes(answer, "message")

    def group_info(self, client: str, group: str) -> bytes:
        """A GroupInfo with external_pub and ratchet_tree."""
        return _bytes(self.request("group_info", client=client, group=group), "message")

    # Proposals and commits --------------------------------------------------------------------------

    def propose(
        self,
        client: str,
        group: str,
        kind: ProposalKind,
        *,
        key_package: bytes | None = None,
        leaf: int | None = None,
        psk_id: bytes | None = None,
        public: bool = False,
        aad: bytes = b"",
        padding: int = 0,
    ) -> bytes:
        """A proposal by reference: add takes `key_package`, remove `leaf`, psk `psk_id`, update nothing."""
        answer = self.request(
            "propose",
            client=client,
            group=group,
            kind=kind,
            key_package=key_package,
            leaf=leaf,
            psk_id=psk_id,
            public=public,
            aad=aad,
            padding=padding,
        )
        return _bytes(answer, "message")

    def commit(
        self,
        client: str,
        group: str,
        *,
        add: Sequence[bytes] = (),
        remove: Sequence[int] = (),
        psk: Sequence[bytes] = (),
        public: bool = False,
        ratchet_tree: bool = True,
        aad: bytes = b"",
        padding: int = 0,
    ) -> TsCommit:
        """The given proposals by value and every pending one by reference; then `adopt` or `discard`."""
        answer = self.request(
            "commit",
            client=client,
            group=group,
            add=add,
            remove=remove,
            psk=psk,
            public=public,
            ratchet_tree=ratchet_tree,
            aad=aad,
            padding=padding,
        )
        welcome = answer["welcome"]
        return TsCommit(
            _bytes(answer, "message"), None if welcome is None else bytes.fromhex(welcome), answer["epoch"]
        )

    def adopt(self, client: str, group: str) -> TsState:
        """The commit under way is accepted."""
        return _state(self.request("adopt", client=client, group=group))

    def discard(self, client: str, group: str) -> None:
        """The commit under way is not accepted. Processing another's commit discards it too."""
        self.request("discard", client=client, group=group)

    # Messages ---------------------------------------------------------------------------------------

    def encrypt(self, client: str, group: str, data: bytes, *, aad: bytes = b"", padding: int = 0) -> bytes:
        answer = self.request("encrypt", client=client, group=group, data=data, aad=aad, padding=padding)
        return _bytes(answer, "message")

    def process(self, client: str, group: str, message: bytes) -> TsReceived:
        answer = self.request("process", client=client, group=group, message=message)
        aad = _bytes(answer, "aad")
        if answer["kind"] == "application":
            return TsApplication(_bytes(answer, "data"), aad)
        if answer["kind"] == "proposal":
            return TsProposalReceived(TsProposal(**answer["proposal"]), aad)
        return TsCommitApplied(
            answer["committer"], _proposals(answer["proposals"]), _state(answer["state"]), aad
        )

    # Looking ----------------------------------------------------------------------------------------

    def state(self, client: str, group: str) -> TsState:
        return _state(self.request("state", client=client, group=group))

    def export(self, client: str, group: str, label: str, context: bytes, length: int) -> bytes:
        """MLS-Exporter."""
        answer = self.request(
            "export", client=client, group=group, label=label, context=context, length=length
        )
        return _bytes(answer, "secret")

    def fingerprint(self, client: str, group: str) -> bytes:
        """A digest of all that is held of the group: equal exactly if nothing changed."""
        return _bytes(self.request("fingerprint", client=client, group=group), "digest")

    # Inside -----------------------------------------------------------------------------------------

    def _read_answers(self, stdout: IO[str]) -> None:
        for line in stdout:
            self._answers.put(line)
        self._answers.put(None)

    def _read_stderr(self, stderr: IO[str]) -> None:
        for line in stderr:
            self._stderr.append(line)
            del self._stderr[:-STDERR_LINES]

    def _gone(self, op: str, why: str) -> DriverGone:
        if self._process.poll() is not None:
            self._threads[1].join(timeout=1)
        return DriverGone(f"{op}: {why}\n{''.join(self._stderr)}")


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    return value


def _bytes(answer: dict[str, Any], field: str) -> bytes:
    return bytes.fromhex(answer[field])


def _proposals(found: list[dict[str, Any]]) -> tuple[TsProposal, ...]:
    return tuple(TsProposal(**proposal) for proposal in found)


def _state(found: dict[str, Any]) -> TsState:
    members = (
        TsMember(m["leaf"], bytes.fromhex(m["identity"]), bytes.fromhex(m["signature_key"]))
        for m in found["members"]
    )
    return TsState(
        _bytes(found, "group_id"),
        found["epoch"],
        _bytes(found, "epoch_authenticator"),
        _bytes(found, "tree_hash"),
        found["own_leaf"],
        found["active"],
        _proposals(found["pending_proposals"]),
        tuple(members),
    )
