"""The nouns: plans, rules, events, commands, values, records, errors, and the ports between rooms."""
