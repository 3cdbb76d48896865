"""The closing pack: what a completed case leaves in the client's hands, verifiable without us."""
