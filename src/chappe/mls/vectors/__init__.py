"""The MLS working group's test vectors, run against this engine: `python -m chappe.mls.vectors PATH…`."""
