"""What inputs look like."""
