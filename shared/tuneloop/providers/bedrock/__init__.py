"""The adapter for Amazon Bedrock."""
