"""Pages of the Hub: history of servers, and continuing in a new job."""
