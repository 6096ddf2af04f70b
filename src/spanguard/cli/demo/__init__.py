"""`spanguard demo`: a real program, the real OpenAI SDK and a local server with faults, told by spanguard."""
