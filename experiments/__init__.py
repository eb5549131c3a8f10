"""One script per question; each reads like a recipe."""
