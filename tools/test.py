#!/usr/bin/env python
"""The command `alignmix test`."""
from alignmix_mm.cli.test import main

if __name__ == '__main__':
    main()
