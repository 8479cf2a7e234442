"""The vault: a profile's encrypted store, the PIN that locks it, and the share that opens it again."""
