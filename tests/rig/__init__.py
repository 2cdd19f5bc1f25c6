"""A hardware-in-the-loop rig, simulated and real: README.md in this folder says how to test one's own device."""
