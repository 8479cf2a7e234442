"""The relay and its clients in one process, on time, network and disks that a seed rules."""
