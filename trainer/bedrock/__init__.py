"""The part of Amazon Bedrock's wire that the adapter uses."""
