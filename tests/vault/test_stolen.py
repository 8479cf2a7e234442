"""A folder that was copied after `lock`: no secret is in it, and no guess at the PIN can be checked with it.

The PIN is one of ten thousand, and Argon2id is cheap here, so that the thief can really try them all. What
is shown is that trying does not help: neither anything made of a PIN and the folder, nor any 32 bytes of the
folder taken for the share, opens the vault key; with the share alone the same search finds the PIN.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from chappe.vault import files, keeping, keys
from chappe.vault.files import Policy
from chappe.vault.keys import stretch
from chappe.vault.offline import Clock, open_copy
from chappe.vault.profile import create, open_profile
from chappe.wire.errors import ChappeError
from tests.vault.image import holds, image, windows
from tests.vault.service import CHEAP, DEVICE, Service, set_pin, unlock_home

PIN = "7316"
PINS = [f"{number:04}" for number in range(10_000)]


@pytest.fixture
def stolen(tmp_path: Path) -> tuple[Path, Service, bytes]:
    """A profile with a store that had a plain key, then a PIN; locked."""
    home, service = tmp_path / "p", Service()
    profile = create(home)
    profile.store.set("words", b"the kingfisher flies at dawn")
    key = bytes(profile.key)
    set_pin(home, service, PIN, key)
    profile.close()
    with pytest.raises(ChappeError, match=r"vault\.locked"):
        open_profile(home)
    return home, service, key


def test_no_secret_is_in_the_folder(stolen: tuple[Path, Service, bytes]) -> None:
    home, service, key = stolen
    taken = image(home)
    vault = files.vault(home)
    assert vault is not None
    r, share = files.keystore(home).entry(vault.entry).r, service.kept[DEVICE].share
    a = stretch(PIN, r, CHEAP)
    auth, kek = keys.auth_of(a, r), keys.kek_of(a, r, share)
    for secret in (key, share, kek, auth, bytes(a), b"the kingfisher flies at dawn"):
        assert holds(taken, secret) == []
    assert not (home / "key").exists()
    # The search would find them: the device's own secret is there, as on a desktop it is.
    assert holds(taken, r) == ["device"]
    for spelled in (key, key.hex().encode(), base64.b64encode(key)):
        assert holds({"planted": b"xx" + spelled + b"yy"}, key) == ["planted"]


def derivable(a: bytes, r: bytes, vault: files.Vault) -> Iterator[bytes]:
    """All keys that the program makes of a PIN and what the folder holds, and the nearest mistakes."""
    public = (b"", vault.commitment, vault.wrapped, vault.device, vault.entry, vault.service[:32])
    yield a
    for info in (b"auth", b"kek", b"offline", b"file vault", b"file offlinecopy", b""):
        yield keys.derived(a + r, info)
        for s in public:
            yield keys.derived(a + r + s, info)
    yield hashlib.sha256(a + r).digest()


def opens(kek: bytes, vault: files.Vault) -> bool:
    return keys.unwrap(kek, vault.wrapped, keys.WRAP_CONTEXT + vault.device) is not None


def test_ten_thousand_pins_and_nothing_to_check_them_with(stolen: tuple[Path, Service, bytes]) -> None:
    home, service, _ = stolen
    vault = files.vault(home)
    assert vault is not None
    entry = files.keystore(home).entry(vault.entry)
    share = service.kept[DEVICE].share
    found_without, found_with = [], []
    taken = image(home)
    small = {name: data for name, data in taken.items() if name in files.NAMES}
    runs = windows(taken)
    for pin in PINS:
        a = bytes(stretch(pin, entry.r, CHEAP))
        made = (
            set(derivable(a, entry.r, vault))
            if pin == PIN or int(pin) % 50 == 0
            else {a, keys.derived(a + entry.r, b"auth"), keys.derived(a + entry.r, b"kek")}
        )
        if any(opens(key, vault) for key in made) or made & runs:
            found_without.append(pin)
        if opens(keys.kek_of(a, entry.r, share), vault):
            found_with.append(pin)
    assert found_without == [], "something in the folder tells a right PIN from a wrong one"
    assert found_with == [PIN], "the control: with the share the same search finds the PIN, and it alone"
    # For the right PIN, nothing in the folder is the share: every run of 32 bytes was tried for it.
    a = bytes(stretch(PIN, entry.r, CHEAP))
    assert not any(opens(keys.kek_of(a, entry.r, run), vault) for run in windows(small))


def test_the_folder_does_not_depend_on_the_pin(tmp_path: Path) -> None:
    """Two folders that differ in the PIN alone: the same files, sizes, and everything that is not random."""
    shapes = []
    for number, pin in enumerate(("7316", "0000", "a much longer passphrase, with an é")):
        home = tmp_path / str(number)
        set_pin(home, Service(), pin, secrets.token_bytes(32))
        vault = files.vault(home)
        assert vault is not None
        shapes.append(({name: len(data) for name, data in image(home).items()}, vault.policy, vault.device))
    assert shapes[0] == shapes[1] == shapes[2]


def test_what_offline_hours_give_away(stolen: tuple[Path, Service, bytes]) -> None:
    """The price, and why none is the default: while the copy lies there, it tells right from wrong."""
    home, service, key = stolen
    keeping.set_policy(home, Policy(offline_hours=8))
    assert unlock_home(home, service, PIN) == key
    candidate = keeping.candidates(home)[-1]
    a = stretch(PIN, candidate.entry.r, CHEAP)
    keeping.keep_offline(home, candidate, a, service.kept[DEVICE].share, Clock.now())
    copy = files.offline(home)
    assert copy is not None
    right = [
        pin
        for pin in PINS[7000:7500]
        if open_copy(copy, stretch(pin, candidate.entry.r, CHEAP), candidate.entry)
    ]
    assert right == [PIN]
    keeping.set_policy(home, Policy())
    assert holds(image(home), copy.sealed) == []
