"""What is left in a process's memory after it locked: read from outside, through /proc."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chappe.vault import files, keys
from chappe.vault.profile import create
from tests.vault.service import CHEAP, DEVICE, Service, set_pin

PIN = "480297"

# The share comes in sealed: this process knows it by no other way.
CHILD = """
import gc, sys
from pathlib import Path
from chappe.vault import keeping, profile
from chappe.wire import wiping
from tests.vault.service import opening

def say(word):
    print(word, flush=True)
    return bytes.fromhex(sys.stdin.readline())

def opened(home):
    candidate = keeping.candidates(home)[-1]
    trying = opening(candidate.entry, candidate.vault, "480297")
    key = trying.take(say(trying.begin(say("challenge")).hex()))
    trying.wipe()
    made = profile.open_profile(home, key)
    wiping.wipe(key)
    return made

home = opened(Path(sys.argv[1]))
assert home.store.get("words") == b"hello"
say("open")
home.close()
del home
gc.collect()
say("locked")
"""


def in_memory(pid: int, secrets: dict[str, bytes]) -> dict[str, int]:
    """How often each secret stands in what a process may write to."""
    found = dict.fromkeys(secrets, 0)
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            where, rights = line.split()[:2]
            start, end = (int(number, 16) for number in where.split("-"))
            if not rights.startswith("rw"):
                continue
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except OSError:
                continue
            for name, secret in secrets.items():
                found[name] += data.count(secret)
    return found


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="the memory of a process is read from /proc")
def test_keys_leave_memory_at_lock(tmp_path: Path) -> None:
    home, service = tmp_path / "p", Service()
    profile = create(home)
    profile.store.set("words", b"hello")
    key = bytes(profile.key)
    profile.close()
    set_pin(home, service, PIN, key)
    vault = files.vault(home)
    assert vault is not None
    r, share = files.keystore(home).entry(vault.entry).r, service.kept[DEVICE].share
    a = bytes(keys.stretch(PIN, r, CHEAP))
    secrets = {
        "vault key": key,
        "vault key in hex": key.hex().encode(),
        "share": share,
        "stretched PIN": a,
        "KEK": keys.kek_of(a, r, share),
        "auth": keys.auth_of(a, r),
    }
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None

    def hear(answer: bytes | None = None) -> str:
        if answer is not None:
            assert child.stdin is not None
            child.stdin.write(answer.hex() + "\n")
            child.stdin.flush()
        assert child.stdout is not None
        return child.stdout.readline().strip()

    try:
        assert hear() == "challenge"
        guess = bytes.fromhex(hear(service.challenge()))
        assert hear(service.guess(guess)) == "open"
        while_open = in_memory(child.pid, secrets)
        assert while_open["vault key"], "the control: it is found where it is"
        assert hear(b"") == "locked"
        after = in_memory(child.pid, secrets)
        print("while open:", while_open, "after lock:", after)
        assert after == dict.fromkeys(secrets, 0)
    finally:
        child.kill()
        child.wait()
