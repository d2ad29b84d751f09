#!/usr/bin/env python
"""The command `alignmix compare`."""
from alignmix_mm.cli.compare import main

if __name__ == '__main__':
    main()
