"""What the commands `alignmix visualize ...` draw."""
