"""What becomes of a built image: other forms of it, files, programs that take it."""
