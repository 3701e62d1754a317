"""Pages of the Hub about servers that ran and servers that go on in a new job."""
