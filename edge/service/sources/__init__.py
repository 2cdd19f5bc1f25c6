"""Sources, which images come from: one module a kind. One acknowledges an image after `Inbox.keep` returned."""
