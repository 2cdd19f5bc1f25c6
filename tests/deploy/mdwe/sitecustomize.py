"""Imported by Python as it starts: from then on no memory becomes executable that was writable."""

import ctypes
import sys

PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
    print("PR_SET_MDWE is not supported", file=sys.stderr)
