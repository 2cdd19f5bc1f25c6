"""Installing where there is no network: one archive with everything, and what installs it."""
