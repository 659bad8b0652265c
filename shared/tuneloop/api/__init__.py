"""The one way into every route: key, scope, body, errors."""
