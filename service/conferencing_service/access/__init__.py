"""Who may call, and what: tokens, certificates, the policy file, quotas, the audit line."""
