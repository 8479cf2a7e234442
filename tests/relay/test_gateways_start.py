"""How several gateways may be started, and how not: each refusal says what to do."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from chappe.relay.config import load_settings
from chappe.relay.gateway import open_bus
from chappe.relay.starting import hold, set_up
from chappe.relay.storage import open_database
from chappe.wire.errors import ChappeError
from tests.relay import stores

GOOD = {
    "bus": "nats://127.0.0.1:4222,tls://b.example:4222",
    "database_url": "postgresql://relay@db.example/relay",
    "share_service": "https://shares.example:8441",
    "share_token_file": "/nowhere",
}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"bus": "http://a:4222"}, "nats://host:port"),
        ({"bus": "nats://a:4222/path"}, "nats://host:port"),
        ({"bus": "nats://a, ,nats://b"}, "nats://host:port"),
        ({"bus": ""}, "nats://host:port"),
        ({"database_url": None}, "database_url"),
        ({"share_service": None}, "share_service"),
        ({"bus_certificate": "/x"}, "come together"),
        ({"bus": None, "bus_token_file": "/x"}, "of a bus"),
        ({"look_seconds": 0}, "look_seconds"),
    ],
)
def test_settings_that_do_not_fit(change: dict[str, object], word: str) -> None:
    load_settings({}, **GOOD)
    with pytest.raises(ChappeError) as caught:
        load_settings({}, **GOOD | change)
    assert caught.value.code == "usage.invalid"
    assert word in caught.value.message


def test_no_secret_of_the_bus_is_shown(tmp_path: Path) -> None:
    settings = load_settings({}, **GOOD | {"bus": "nats://chappe:pass-word@127.0.0.1:4222"})
    assert "pass-word" not in repr(settings)
    token = load_settings({}, **GOOD | {"bus_token_file": tmp_path / "none"})
    with pytest.raises(ChappeError) as caught:
        open_bus(token)
    assert caught.value.code == "storage.missing"


def refused(**settings: object) -> str:
    given = load_settings({}, **settings)
    with pytest.raises(ChappeError) as caught, hold(given, open_database(given)):
        pass
    assert caught.value.code == "storage.locked"
    return caught.value.message


def test_who_may_be_there_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chappe.relay.starting.LOCK_SECONDS", 0.0)
    folder = stores.place(tmp_path / "data", "postgres")
    folder.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    url = stores.given(folder)["database_url"]
    one = {"data_dir": folder, "database_url": url}
    gateway = GOOD | one
    settings = load_settings({}, **gateway)
    with hold(settings, open_database(settings)), hold(settings, open_database(settings)):
        # Several gateways; but one relay without a bus does not come among them, nor a second desk.
        assert "data directory" in refused(**one)
        desk = load_settings({}, **gateway | {"desk": True})
        with hold(desk, open_database(desk)):
            assert "without --desk" in refused(**gateway | {"desk": True})
    alone = load_settings({}, **one)
    with hold(alone, open_database(alone)):
        assert "data directory" in refused(**gateway)
        assert "--bus" in refused(**one | {"data_dir": other})
    with hold(alone, open_database(alone)):
        pass
    stores.leave(folder)


def test_keys_are_made_once_by_those_who_start_at_the_same_time(tmp_path: Path) -> None:
    folder = stores.place(tmp_path / "data", "postgres")
    folder.mkdir()
    settings = load_settings({}, **GOOD | {"data_dir": folder} | stores.given(folder))
    seen: list[dict[str, bytes]] = []

    def start() -> None:
        set_up(settings, open_database(settings))
        names = ("log.key", "push-key.pem", "tls-key.pem", "tls-certificate.pem")
        seen.append({name: (folder / name).read_bytes() for name in names})

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 4
    assert all(one == seen[0] for one in seen)
    stores.leave(folder)
