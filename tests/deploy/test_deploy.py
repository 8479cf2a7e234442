"""The files of deploy/: what they name is there, in the program as it is."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from prometheus_client.parser import text_string_to_metric_families
from typer.main import get_command

from chappe.cli.main import app
from chappe.relay.config import ELSEWHERE, Settings
from chappe.relay.storage.postgres import PostgresDatabase
from chappe.wire.errors import KINDS
from tests.deploy.render import RENDERED, ROOT, fingerprint
from tests.relay.test_watching import free_port, scrape
from tests.relay.world import RelayProcess

DEPLOY = ROOT / "deploy"
NAMES = {f"CHAPPE_{name.upper()}" for name in Settings.model_fields} | ELSEWHERE
MDWE = (65, 1, 0, 0, 0)
"""prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN): what MemoryDenyWriteExecute= asks of the kernel."""


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """Under the systemd unit's strictest rule, telling a supervisor how it is."""
    folder = tmp_path_factory.mktemp("unit")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(folder / "notify"))

    listener.settimeout(60)
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
    relay = RelayProcess(
        folder / "data",
        preexec=lambda: ctypes.CDLL(None).prctl(*MDWE),
        forked=False,
        metrics=f"127.0.0.1:{free_port()}",
    )
    monkeypatch.undo()
    assert listener.recv(100) == b"READY=1"
    yield relay
    assert relay.stop() == 0
    assert listener.recv(100) == b"STOPPING=1"
    listener.close()


async def test_the_relay_lives_without_memory_that_is_written_and_run(relay: RelayProcess) -> None:
    ada = await relay.device("ada")
    async with relay.sign_in(ada):
        pass


async def test_alerts_and_dashboard_name_metrics_that_are_there(relay: RelayProcess) -> None:
    page, _ = await scrape(relay)
    there = {sample.name for family in text_string_to_metric_families(page) for sample in family.samples}
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    panels = json.loads((DEPLOY / "grafana" / "chappe.json").read_text())["panels"]
    drawn = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(asked) > 10
    assert len(drawn) > 20
    named = {name for text in asked + drawn for name in re.findall(r"\b(?:chappe|process)_\w+", text)}
    assert named <= there, named - there
    # And each that we have is drawn, or is a part of one that is.
    ours = {name for name in there if name.startswith("chappe_") and not name.endswith(("_created", "_le"))}
    stems = {re.sub(r"_(bucket|sum|count)$", "", name) for name in named}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in ours} <= stems
    codes = {
        code for text in asked for match in re.findall(r'code=~?"([^"]+)"', text) for code in match.split("|")
    }
    assert codes <= set(KINDS)


def test_the_dashboard_is_what_its_rows_make() -> None:
    made = subprocess.run(
        [sys.executable, "-c", "import json, build; print(json.dumps(build.dashboard(), indent=1))"],
        cwd=DEPLOY / "grafana",
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout == (DEPLOY / "grafana" / "chappe.json").read_text()


def environments(document: Any) -> Iterator[str]:
    """Every name of a variable of ours, anywhere in a YAML document."""
    if isinstance(document, dict):
        for key, value in document.items():
            if isinstance(key, str) and key.startswith("CHAPPE_"):
                yield key
            if key == "name" and isinstance(value, str) and value.startswith("CHAPPE_"):
                yield value
            yield from environments(value)
    elif isinstance(document, list):
        for value in document:
            yield from environments(value)


def words_of(arguments: list[str]) -> tuple[list[str], set[str]]:
    """A command's words, and its options."""
    return [word for word in arguments if not word.startswith("-")], {
        word for word in arguments if word.startswith("--")
    }


def check_command(arguments: list[str]) -> None:
    """It is a command of `chappe`, and takes these options."""
    words, options = words_of(arguments)
    command: Any = get_command(app)
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands"), arguments
    known = {name for parameter in command.params for name in parameter.opts}
    assert options <= known, arguments


@pytest.mark.parametrize("unit", sorted(path.name for path in (DEPLOY / "systemd").glob("*.service")))
def test_units(unit: str) -> None:
    lines = (DEPLOY / "systemd" / unit).read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    variables = {
        line.removeprefix("Environment=").split("=")[0] for line in lines if line.startswith("Environment=")
    }
    assert variables <= NAMES
    program, *arguments = given["ExecStart"].split()
    assert program == "/opt/chappe/bin/chappe"
    check_command(arguments)
    defaults = Settings.model_fields
    longest = defaults["drain_seconds"].default + defaults["drain_notice"].default + 10
    assert int(given["TimeoutStopSec"]) >= longest
    for rule in ("NoNewPrivileges", "PrivateDevices", "MemoryDenyWriteExecute", "RestrictNamespaces"):
        assert given[rule] == "yes"
    assert (given["ProtectSystem"], given["Type"]) == ("strict", "notify")
    users = (DEPLOY / "systemd" / "chappe.sysusers").read_text()
    assert f"u {given['User']} " in users


def test_compose() -> None:
    document = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    assert set(environments(document)) <= NAMES
    services = document["services"]
    for name, service in services.items():
        if service["image"].startswith("chappe"):
            check_command(service["command"])
            assert service["read_only"], name
            assert int(service["stop_grace_period"].rstrip("s")) >= 20 + 6 + 10
        assert set(service.get("secrets", ())) <= set(document["secrets"]), name
        assert set(service.get("networks", ())) <= set(document["networks"]), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in document["volumes"] or (DEPLOY / "compose" / source).exists(), source
    # The shares are on a volume that nobody else has.
    owners = [name for name, one in services.items() if "shares:/data" in one.get("volumes", ())]
    assert owners == ["shares"]
    # The private port and the store are published by nobody.
    assert {name for name, one in services.items() if "ports" in one} == {"relay", "balancer"}
    made = (DEPLOY / "compose" / "prepare.sh").read_text()
    for secret in document["secrets"].values():
        stem = Path(secret["file"]).stem
        assert stem in made, stem


def test_the_chart_was_rendered_as_it_is() -> None:
    assert RENDERED.read_text().splitlines()[0] == f"# chart {fingerprint()}", (
        "the chart changed: pip install helm-python-sdk, then python -m tests.deploy.render"
    )


def test_the_chart() -> None:
    documents = [one for one in yaml.safe_load_all(RENDERED.read_text()) if one]
    assert {name for one in documents for name in environments(one)} <= NAMES
    by_name = {(one["kind"], one["metadata"]["name"]): one for one in documents}
    gateways = by_name["Deployment", "relay-gateways"]["spec"]["template"]["spec"]
    shares = by_name["StatefulSet", "relay-shares"]["spec"]["template"]["spec"]
    for pod in (gateways, by_name["Deployment", "relay-desk"]["spec"]["template"]["spec"], shares):
        (container,) = pod["containers"]
        check_command(container["args"])
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert pod["securityContext"]["runAsNonRoot"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted <= {volume["name"] for volume in pod["volumes"]} | {"shares"}
        # Or Kubernetes' own variables, CHAPPE_…, stop the start.
        assert pod["enableServiceLinks"] is False
    values = {one["name"]: one.get("value") for one in gateways["containers"][0]["env"]}
    pause = int(gateways["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    stop = float(values["CHAPPE_DRAIN_SECONDS"])
    assert gateways["terminationGracePeriodSeconds"] >= pause + stop + 10
    assert "CHAPPE_DESK" not in values
    assert by_name["Deployment", "relay-desk"]["spec"]["replicas"] == 1
    # Not a database nor a bus password in any manifest.
    assert values["CHAPPE_DATABASE_URL"] is None
    (claim,) = by_name["StatefulSet", "relay-shares"]["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["labels"]["velero.io/exclude-from-backup"] == "true"
    assert by_name["PersistentVolumeClaim", "relay-data"]["spec"]["accessModes"] == ["ReadWriteMany"]
    # The public services lead to the public port.
    for name in ("relay-gateways", "relay-desk"):
        assert [port["targetPort"] for port in by_name["Service", name]["spec"]["ports"]] == ["relay"]
    policy = by_name["NetworkPolicy", "relay-gateways"]["spec"]["ingress"]
    assert policy[1]["ports"] == [{"port": "metrics"}]
    assert policy[1]["from"]


def test_the_container_file_copies_what_is_there() -> None:
    text = (DEPLOY / "container" / "Containerfile").read_text()
    copied = [
        line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY") and "--from" not in line
    ]
    for sources in copied:
        for source in sources:
            assert (ROOT / source).exists(), source
    variables = set(re.findall(r"\b(CHAPPE_\w+)=", text))
    assert variables <= NAMES
    assert "USER 10001" in text
    check_command(json.loads(re.findall(r"^CMD (\[.*\])", text, re.MULTILINE)[-1]))
    # It installs what the lock of the program names, by hash.
    lock = (DEPLOY / "container" / "requirements.lock").read_text()
    whole = (ROOT / "requirements.lock").read_text()
    pinned = re.findall(r"^([a-z0-9-]+==\S+)", lock, re.MULTILINE)
    assert len(pinned) > 40
    assert all(f"{one} " in whole or f"{one}\n" in whole for one in pinned)


def needed() -> set[str]:
    """What an installation without extras has, by name."""
    found: set[tuple[str, str]] = set()
    todo = [("chappe", "")]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for one in map(Requirement, requires(name) or ()):
            if one.marker is None or one.marker.evaluate({"extra": extra}):
                todo += [(canonicalize_name(one.name), wanted) for wanted in {"", *one.extras}]
    return {name for name, _ in found}


def test_everything_is_loaded_without_extras() -> None:
    """Whatever else is installed here is not there for the modules as they are loaded."""
    there = needed()
    missing = [
        module
        for module, owners in packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & there
    ]
    assert {"lxml", "typst", "pytest"} <= set(missing)
    program = (
        "import importlib, json, pkgutil, sys\n"
        "sys.modules.update(dict.fromkeys(json.loads(sys.argv[1])))\n"
        "import chappe\n"
        "names = [one.name for one in pkgutil.walk_packages(chappe.__path__, 'chappe.')]\n"
        "names = [name for name in names if not name.endswith('__main__') and 'migrations' not in name]\n"
        "print(len([importlib.import_module(name) for name in names]))\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", program, json.dumps(missing)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    assert int(made.stdout) > 200


def test_the_load_balancer_leads_to_gateways_that_are_there() -> None:
    text = (DEPLOY / "compose" / "haproxy.cfg").read_text()
    assert set(re.findall(r"default_backend (\w+)", text)) == set(
        re.findall(r"^backend (\w+)", text, re.MULTILINE)
    )
    services = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
    assert set(re.findall(r"server (\S+) \1:8440", text)) <= set(services)
    assert set(re.findall(r"bind :(\d+)", text)) == {
        one.split(":")[-1] for one in services["balancer"]["ports"]
    }
    # What it says of who connects, the gateways are told to believe.
    assert "send-proxy-v2" in text
    assert services["gateway-2"]["environment"]["CHAPPE_PROXY_PROTOCOL"] == "true"
    # So the image's check, which says nothing of who connects, is not for them.
    private = "http://127.0.0.1:" + services["gateway-2"]["environment"]["CHAPPE_METRICS"].rpartition(":")[2]
    for name in ("gateway-1", "gateway-2"):
        assert services[name]["healthcheck"]["test"] == ["CMD", "chappe", "health", private]
    # A container that is made anew has another address.
    assert "resolvers network" in text.partition("default-server")[2].splitlines()[0]


def test_the_database_of_compose_is_one_that_the_gateways_take(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "compose" / "prepare.sh", tmp_path)
    subprocess.run(["sh", "prepare.sh", "relay.example.org"], cwd=tmp_path, check=True, capture_output=True)
    url = (tmp_path / "secrets" / "database.env").read_text().strip().partition("=")[2]
    # Raises usage.invalid for one that it does not.
    PostgresDatabase(url, tmp_path)
