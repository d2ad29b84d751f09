"""The work of the command `alignmix add`."""
