"""Copies of a relay's data directory: made while it runs, checked, and brought back so that what was erased
stays erased.

    manifest    what a backup holds: a folder with `manifest.json` beside the files
    contents    what of a data directory is copied, and what is left out, and why
    taking      make one, beside a running relay
    checking    is it whole
    restoring   bring it back into a data directory
    newer_log   the transparency log that outlived the database: what it knows that the copy does not
    settling    what a database that was brought back must forget, and what it must never do again
"""
