#!/usr/bin/env python
"""The command `alignmix add`."""
from alignmix_mm.cli.add import main

if __name__ == '__main__':
    main()
