"""Rules: what a training line may hold, one module for each part of a line.

Each rule is a generator of what it found wrong: the JSON path, a stable code, and a sentence that says what would be
right and never quotes a value. OpenAI's formats for supervised and preference fine-tuning, read 2026-11.
"""

Violation = tuple[str, str, str]
