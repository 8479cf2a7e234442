"""`python -m chappe.relay --data-dir DIR --port PORT …`: the relay alone, for tests and benchmarks.

Every setting of config.py is an option. When it is ready it prints one line of JSON: {"port", "pin"}.
"""

from __future__ import annotations

import json
import sys

from chappe.relay.config import Settings, load_settings
from chappe.relay.serve import Ready, serve
from chappe.wire.errors import ChappeError, error


def main(arguments: list[str]) -> int:
    """Gives the exit status; a failure is one line on standard error."""
    try:
        serve(load_settings(None, **_options(arguments)), on_ready=_announce)
    except ChappeError as problem:
        print(f"chappe: {problem}", file=sys.stderr)
        return problem.exit_status
    return 0


def _options(arguments: list[str]) -> dict[str, object]:
    """`--some-name value` pairs. Raises usage.invalid."""
    found: dict[str, object] = {}
    words = iter(arguments)
    for word in words:
        name = word.removeprefix("--").replace("-", "_")
        value = next(words, None)
        if not word.startswith("--") or name not in Settings.model_fields or value is None:
            raise error("usage.invalid", f"Options are --NAME VALUE; {word!r} is none of this relay.")
        found[name] = value
    return found


def _announce(ready: Ready) -> None:
    print(json.dumps({"port": ready.port, "pin": ready.pin}), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
