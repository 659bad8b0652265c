"""The adapter for OpenAI and every server that speaks its wire."""
