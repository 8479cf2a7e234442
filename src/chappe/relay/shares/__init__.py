"""The share service: the half of every vault's key that a phone does not have, behind ten counted guesses.

It imports the wire and nothing else of Chappe, so that it can run as its own process, on another machine.

    service.py     the rules: what may follow what, and what is durable before what
    guesses.py     guesses that share their durable changes
    worker.py      the same as the event loop sees it: one thread, one order
    remote.py      a service on another machine, behind the same interface
    folder.py      the files, made whole or refused, held by one process
    store.py       shares.db: rows, wrapped under the epoch key
    epoch.py       the epoch key's file: what destroys a share when it is overwritten
    head.py        the signed counter that tells an old database from the newest
    reserve.py     room on the disk that destroying is sure of
    challenges.py  fresh, single use, and without a table that strangers could fill
    sealed.py      opening and sealing without second copies
"""
