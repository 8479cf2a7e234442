"""The relay's allowances: those of `chappe.wire.limits`, which the desk uses as well."""

from __future__ import annotations

from chappe.wire.limits import Allowance, Allowances, Attempts, network_of

__all__ = ["Allowance", "Allowances", "Attempts", "network_of"]
