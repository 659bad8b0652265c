"""OpenAI's shapes, which our API, our adapters and the trainer speak."""
