"""Mail: a row first, then SMTP, or a mailbox of our own where there is none."""
