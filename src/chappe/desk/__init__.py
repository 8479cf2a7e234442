"""The operator's side: accounts, resellers, the audit log, and what is built on them (docs/operating.md)."""
