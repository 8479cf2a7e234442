"""The command line: `chappe`."""
