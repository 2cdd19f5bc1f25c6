"""The acceptance protocol: tests that name what they need of a rig, run by `python -m tests.rig`."""
