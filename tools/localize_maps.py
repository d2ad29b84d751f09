#!/usr/bin/env python
"""The command `alignmix localize`."""
from alignmix_mm.cli.localize import main

if __name__ == '__main__':
    main()
