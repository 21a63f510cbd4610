"""Pure: evaluate(request, evidence, policy) -> Decision."""
