"""What is wrong with a machine, an image or a log: looked at, proven, and named with its cure."""
