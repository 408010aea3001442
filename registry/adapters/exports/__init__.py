"""Writing versions in other formats."""
