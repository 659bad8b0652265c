"""Chats as OpenAI writes them: messages, what a training line may hold, images, prompt templates."""
