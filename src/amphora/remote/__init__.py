"""What a build takes from elsewhere: files by URL, Git repositories."""
