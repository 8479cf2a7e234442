"""One file per action: load, decide, save. Each runs in the writer's thread, in one transaction."""
