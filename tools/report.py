#!/usr/bin/env python
"""The command `alignmix report`."""
from alignmix_mm.cli.report import main

if __name__ == '__main__':
    main()
