"""What the command `alignmix compare` does."""
