"""What does one distilled image change? Every image is left out once."""
