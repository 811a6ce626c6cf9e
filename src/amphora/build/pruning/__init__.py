"""What the build cache takes (`builder du`), and which of it goes (`builder prune`)."""
