"""The channels service: templates, the message ledger, sending policy, receipts and the dispatcher."""
