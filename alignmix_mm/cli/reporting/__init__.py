"""The work of the command `alignmix report`."""
