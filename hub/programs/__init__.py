"""Programs of the gateway besides the Hub and the API; hub/cli.py starts them."""
