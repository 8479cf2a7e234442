"""The attacks, one to a file: whoever writes another puts it here, and the drill finds it."""
