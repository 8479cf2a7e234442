"""Fuzz decoders with libFuzzer (atheris), from seeds that are real messages.

    python -m tests.fuzz.run                              the names of the targets
    python -m tests.fuzz.run mls.commit --seconds 600     one of them for ten minutes
    python -m tests.fuzz.run all --runs 5000              each with a fixed number of inputs

Whatever leaves a target but its boundary's own error is a fault, and so is one input that takes five seconds
or 1.5 GB: the status is then not zero, and the input is kept in the folder of the corpus (`--corpus`, by
default .fuzz), where also what was learnt stays for the next run.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["chappe", "tests.fuzz.targets"]):
    from tests.fuzz.targets import TARGETS, Target

SECONDS_PER_INPUT = 5
MEGABYTES = 1536
CONTROL = "control."
"""Targets that are broken on purpose."""


def plant(target: Target, corpus: Path) -> None:
    """Put the seeds where libFuzzer looks for them."""
    for seed in target.seeds():
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)


def fuzz(name: str, corpus: Path, *flags: str) -> None:
    """Never comes back: libFuzzer ends the process. The typed refusal is as good to it as an answer."""
    target = TARGETS[name]
    corpus.mkdir(parents=True, exist_ok=True)
    plant(target, corpus)

    def one_input(data: bytes) -> None:
        try:
            target.run(data)
        except target.refusal:
            return

    limits = (f"-timeout={SECONDS_PER_INPUT}", f"-rss_limit_mb={MEGABYTES}", "-max_len=20000")
    atheris.Setup([name, str(corpus), f"-artifact_prefix={corpus}/", *limits, *flags], one_input)
    atheris.Fuzz()


def in_child(name: str, corpus: Path, *flags: str) -> int:
    """The exit status of a run of its own; its output goes to NAME.log beside the corpus."""
    corpus.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        log = os.open(corpus.with_name(f"{name}.log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        fuzz(name, corpus, *flags)
        os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument("name", nargs="?", choices=[*sorted(TARGETS), "all"])
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--runs", type=int, default=-1)
    parser.add_argument("--seed", type=int, default=0, help="of libFuzzer's own choices; 0 takes the clock's")
    parser.add_argument("--corpus", type=Path, default=Path(".fuzz"))
    return parser.parse_args()


def main() -> int:
    wanted = arguments()
    flags = (f"-runs={wanted.runs}", f"-max_total_time={wanted.seconds}", f"-seed={wanted.seed}")
    if wanted.name is None:
        print("\n".join(sorted(TARGETS)))
        return 0
    if wanted.name != "all":
        fuzz(wanted.name, wanted.corpus / wanted.name, *flags)
    worst = 0
    for name in sorted(TARGETS):
        status = in_child(name, wanted.corpus / name, *flags)
        print(name, status)
        worst = max(worst, status if not name.startswith(CONTROL) else 0)
    return worst


if __name__ == "__main__":
    sys.exit(main())
