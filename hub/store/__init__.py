"""Files that projects publish, stored once by their SHA-256."""
