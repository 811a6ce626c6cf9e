"""What software is in a tree of files, and the documents that say so."""
