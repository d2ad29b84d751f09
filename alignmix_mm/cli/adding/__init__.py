"""What the command `alignmix add` does."""
