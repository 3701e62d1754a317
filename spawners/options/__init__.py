"""What a person may ask for, what it costs, and the page where they choose."""
