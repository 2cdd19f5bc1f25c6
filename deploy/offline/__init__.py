"""Installing where there is no network: one file with everything, and what installs it."""
