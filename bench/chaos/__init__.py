"""Reliability tests: Chappe through faults, judged by what its clients wrote down (`chappe chaos NAME`).

A test is one file here with `TITLE` and `run`; nothing else names it (docs/reliability.md).
"""
