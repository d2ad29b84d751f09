"""The drawing work of the commands `alignmix visualize ...`."""
