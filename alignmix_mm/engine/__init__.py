"""What a run needs of MMEngine: hooks, loops, schedulers, checkpoints."""
