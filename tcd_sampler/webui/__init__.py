"""The adapter for the WebUI (the host). Only this package imports the host's modules."""
