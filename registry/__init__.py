"""What a version is and where it may answer."""
