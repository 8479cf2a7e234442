"""The transparency log (RFC 9162, C2SP tlog-tiles), sans-I/O, usable alone."""
