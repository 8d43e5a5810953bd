"""`tracestitch doctor`: why nothing arrives, in plain words, with the one thing to do about it."""
