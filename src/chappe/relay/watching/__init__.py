"""How a relay is doing, for who runs it: counts, health, metrics, traces. Numbers of all, never of one.

Nothing here is told a device, a line, an address, an organisation or a reseller, so none can be shown.
"""
