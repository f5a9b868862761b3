"""Sample news of an invented charity, and the whole way it goes: what `publisher demo` plays."""
