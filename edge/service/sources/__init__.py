"""Where images come from: one module a kind. A source acknowledges an image after `Store.keep` returned."""
