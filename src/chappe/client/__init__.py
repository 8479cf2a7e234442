"""The client: `Phone`, an async SDK, and the values that it shows."""

from chappe.client.activation import relay_name
from chappe.client.model import (
    Contact,
    Conversation,
    DeviceInfo,
    LineTerm,
    OrderProgress,
    Organisation,
    SharedFile,
    ShownMessage,
)
from chappe.client.phone import Phone
from chappe.vault.files import Policy

__all__ = [
    "Contact",
    "Conversation",
    "DeviceInfo",
    "LineTerm",
    "OrderProgress",
    "Organisation",
    "Phone",
    "Policy",
    "SharedFile",
    "ShownMessage",
    "relay_name",
]
