"""Does one distilled image mean something beyond its class? Asked of drawn shapes."""
