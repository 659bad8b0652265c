"""Objects in S3: segments of examples, and how they are written, merged and searched."""
