"""Running one container of an image in the store, in the foreground, without a daemon."""
