"""Logs in with pyonlyoffice and prints the token: ``log_in.py BASE NAME PASSWORD``."""

import sys

from pyonlyoffice import PyOnlyOffice

print(PyOnlyOffice(*sys.argv[1:]).token)  # noqa: T201 - what this program is for
