"""Commands for those who work on trioex; none of them is part of the package."""
