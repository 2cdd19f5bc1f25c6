"""Reference networks, the physics that makes their training data, and their shipped bundles."""
