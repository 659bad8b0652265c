"""Rules: what a training line may hold: `conversations` for its messages and tools, `lines` for the line as a whole.

Each rule is a generator of violations, which never quote a value. The rules are OpenAI's formats for supervised and
preference fine-tuning, read 2026-11.

These rules decide. Two copies exist, each for a reason: `tuneloop.validation.fast_schema` for speed, tested against
these; and the trainer's (`trainer/jobs/training_lines.py`), which stands for a provider and so imports nothing of ours.
"""

# The JSON path, a stable code, and a sentence that says what would be right.
Violation = tuple[str, str, str]
