"""What the command `alignmix report` writes."""
