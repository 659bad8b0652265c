"""Rules: what a training line may hold, one module for each part of a line.

Each rule is a generator of violations, which never quote a value. OpenAI's formats for supervised and preference
fine-tuning, read 2026-11.

These rules are the one truth. Two others tell them again, each with its reason: `tuneloop.validation.fast_schema` for
speed, tested against these; and the trainer (`trainer/jobs/training_lines.py`), which stands for a provider and so
knows nothing of ours.
"""

# The JSON path, a stable code, and a sentence that says what would be right.
Violation = tuple[str, str, str]
