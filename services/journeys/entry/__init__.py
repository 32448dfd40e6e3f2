"""Who enters: triggers, rules, caps, and what is asked before."""
