"""`amphora build --plan`: what a build would do, how long that takes, and what would be better."""
