"""The Fisher quantities of a forward graph and its head: information of layers and image, form, eigen-components,
profile."""
