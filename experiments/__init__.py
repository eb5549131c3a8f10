"""One file per question; each reads like a recipe."""
