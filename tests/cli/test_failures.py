"""Every failure is one clear line and a distinct exit status, and never a traceback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from chappe.wire import codes
from chappe.wire.errors import KINDS
from chappe.wire.links import activation_link
from tests.cli.world import People, Ran, chappe


def failed(ran: Ran, code: str) -> None:
    assert ran.err.endswith(f"[{code}]\n"), ran.err
    assert ran.err.startswith("chappe: ")
    assert ran.err.count("\n") == 1
    assert ran.out == ""
    assert ran.status == KINDS[code].exit_status


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["send"],
        ["send", "ada@localhost"],
        ["serve", "--port", "many"],
        ["serve", "--port", "70000"],
        ["serve", "--nonsense"],
        ["conversation", "timer", "x", "soon"],
        ["bench", "nothing"],
        ["activate", "0000-0000-0000-0000", "--name", "a@localhost"],
    ],
    ids=" ".join,
)
def test_commands_that_are_not_complete(arguments: list[str], tmp_path: Path) -> None:
    failed(chappe("--home", str(tmp_path), *arguments), "usage.invalid")
    assert list(tmp_path.iterdir()) == []


def test_settings_in_the_environment_that_are_none(tmp_path: Path) -> None:
    failed(chappe("serve", "--data-dir", str(tmp_path), CHAPPE_PROT="1"), "usage.invalid")


@pytest.mark.parametrize(
    "arguments",
    [["receive"], ["send", "a@localhost", "x"], ["devices"], ["chat"], ["conversation", "list"]],
    ids=" ".join,
)
def test_without_a_profile(arguments: list[str], tmp_path: Path) -> None:
    failed(chappe("--home", str(tmp_path / "none"), *arguments), "storage.missing")
    assert not (tmp_path / "none").exists()


def test_activation(people: People) -> None:
    def activate(link: str, name: str = "ada") -> Ran:
        return people.run("ada", "activate", link, "--name", people.address(name))

    failed(activate("chappe://nonsense"), "link.malformed")
    failed(activate("0000-0000-0000-0001"), "usage.invalid")
    port, pin = people.relay.port, people.relay.pin
    failed(activate(activation_link("localhost", port, codes.new(), pin)), "code.unknown")
    wrong_pin = "A" * 43
    failed(activate(activation_link("localhost", port, people.relay.code(), wrong_pin)), "network.untrusted")
    no_pin = activate(activation_link("localhost", port, people.relay.code(), None))
    failed(no_pin, "network.untrusted")
    assert "--pin" in no_pin.err
    assert not Path(people.home("ada"), "phone.db").exists()
    link = people.link()
    assert activate(link).status == 0
    failed(activate(people.link(), "other"), "storage.exists")
    failed(people.run("ben", "activate", link, "--name", people.address("ben")), "code.used")
    failed(people.run("ben", "activate", people.link(), "--name", people.address("ada")), "address.taken")
    failed(people.run("ben", "activate", people.link(), "--name", "Ben Doe"), "address.malformed")


def test_people_and_conversations_that_are_not_there(people: People) -> None:
    people.activate("ada")
    failed(people.run("ada", "send", "nobody-here@localhost", "x"), "address.unknown")
    failed(people.run("ada", "send", "the moon", "x"), "conversation.unknown")
    failed(people.run("ada", "send", "not an@address", "x"), "address.malformed")
    failed(people.run("ada", "conversation", "show", "ffff"), "conversation.unknown")
    failed(people.run("ada", "conversation", "react", "ffffffff", "x"), "message.unknown")
    failed(people.run("ada", "devices", "add", "chappe://x"), "link.malformed")


def test_text_that_is_none_and_folders_that_are_none(people: People, tmp_path: Path) -> None:
    people.activate("ada", "ben")
    ben = people.address("ben")
    failed(people.run("ada", "send", ben, "half \udcff"), "content.malformed")
    failed(people.run("ada", "send", ben, "-", stdin="half \udcff"), "content.malformed")
    failed(people.run("ada", "send", ben, "-", stdin="x" * 65_537), "content.malformed")
    failed(chappe("--home", "~nobody-of-this-name/x", "receive"), "usage.invalid")
    failed(chappe("--home", "n" * 300, "receive"), "storage.unwritable")
    (tmp_path / "file").touch()
    failed(
        chappe("--home", str(tmp_path / "file"), "activate", people.link(), "--name", "x@localhost"),
        "storage.unwritable",
    )
    (tmp_path / "note").write_text("x")
    people.ok("ada", "send", ben, "--file", str(tmp_path / "note"))
    id_ = people.ok("ben", "receive", "--json").json[0]["id"]
    failed(people.run("ben", "conversation", "save", id_, str(tmp_path / "no" / "x")), "storage.unwritable")
    failed(people.run("ben", "conversation", "save", id_, "/proc"), "storage.unwritable")


def test_a_terminal_that_cannot_show_it(people: People) -> None:
    """What cannot be shown is not a failure, and holds nothing back."""
    people.activate("ada", "ben")
    people.ok("ada", "send", people.address("ben"), "smile \U0001f600")
    assert "smile ?" in people.ok("ben", "receive", PYTHONIOENCODING="ascii").out


def test_a_relay_that_is_away(people: People, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    link = activation_link("localhost", port, codes.new(), "A" * 43)
    failed(
        chappe("--home", str(tmp_path / "p"), "activate", link, "--name", "a@localhost"),
        "network.unreachable",
    )


def test_a_profile_in_use_and_one_whose_key_is_gone(people: People) -> None:
    import fcntl

    people.activate("ada")
    with open(Path(people.home("ada"), "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        failed(people.run("ada", "receive"), "storage.locked")
    Path(people.home("ada"), "key").unlink()
    failed(people.run("ada", "receive"), "storage.wrong_key")


def test_a_port_that_is_taken_and_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = chappe("serve", "--data-dir", str(tmp_path / "data"), "--port", port)
    assert ran.status == KINDS["network.port_taken"].exit_status
    (tmp_path / "file").touch()
    ran = chappe("serve", "--data-dir", str(tmp_path / "file"), "--port", "0")
    assert ran.status in (KINDS["storage.unwritable"].exit_status, KINDS["storage.failed"].exit_status)


def test_a_bug_is_one_line_and_debug_says_where(tmp_path: Path) -> None:
    """A profile's store that is a folder: something that nobody foresaw."""
    (tmp_path / "phone.db").mkdir()
    ran = chappe("--home", str(tmp_path), "receive")
    assert ran.status != 0
    assert ran.err.count("\n") == 1
