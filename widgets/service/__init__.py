"""The dashboards service: Voila behind the Hub's sign-in."""
