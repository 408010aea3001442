"""What talks to the world; each heavy library has one door here."""
