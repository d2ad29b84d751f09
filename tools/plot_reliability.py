#!/usr/bin/env python
"""The command `alignmix visualize reliability`."""
from alignmix_mm.cli.visualize_reliability import main

if __name__ == '__main__':
    main()
