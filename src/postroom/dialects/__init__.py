"""How others talk to us: one package a dialect, thin; and what several dialects share (signatures, parameters, declarations)."""
