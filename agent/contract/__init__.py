"""The contract with hospital systems: JSON Schemas and an AsyncAPI document, generated from the agent's own types."""
