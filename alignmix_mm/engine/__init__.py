"""Extensions of MMEngine: hooks, loops, schedulers, checkpoints."""
