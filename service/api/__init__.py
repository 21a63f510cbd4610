"""REST: translate, authorise, call, answer."""
